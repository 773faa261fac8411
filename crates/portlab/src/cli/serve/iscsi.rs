//! `portlab serve iscsi`.

use std::sync::Arc;

use clap::Args;
use iscsi_target::{
    chap::{Chap, Credentials},
    login::LoginConfig,
    parameters::Offer,
    server::{self, ServerConfig},
};
use portlab::{serve::iscsi::Units, workload::disk::Disk as _};
use serde::Serialize;

use super::stage::{Ready, ServeError, Stage};
use crate::cli::exit::Exit;

/// The authority of the targets' names.
const AUTHORITY: &str = "iqn.2026-11.io.github.ferroport";

/// Serves the driver's logical units as an iSCSI target
#[derive(Debug, Args)]
pub(super) struct Iscsi {
    #[command(flatten)]
    stage: Stage,
    /// Name of the target [default: iqn.2026-11.io.github.ferroport: and the driver's name]
    #[arg(long, value_name = "IQN", value_parser = name)]
    name: Option<String>,
    /// Let nobody in who does not know this secret, by CHAP
    #[arg(long, value_name = "USER:SECRET", value_parser = credentials)]
    chap: Option<Credentials>,
    /// What the target proves itself with to initiators that want a proof, too
    #[arg(long, value_name = "USER:SECRET", value_parser = credentials, requires = "chap")]
    chap_mutual: Option<Credentials>,
}

/// What the target did.
#[derive(Debug, Serialize)]
struct Served {
    targets: Vec<String>,
    connections: u64,
    connections_refused: u64,
    connections_broken: u64,
    logins: u64,
    commands: u64,
    resets: u64,
}

impl Iscsi {
    /// Serves.
    pub(super) fn run(self) -> Exit {
        let base = self.name.unwrap_or_else(|| {
            let stem = self
                .stage
                .driver
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy();
            let plain: String = stem
                .chars()
                .map(|letter| {
                    if letter.is_ascii_alphanumeric() {
                        letter.to_ascii_lowercase()
                    } else {
                        '-'
                    }
                })
                .collect();
            format!("{AUTHORITY}:{plain}")
        });
        let chap = self.chap.map(|initiator| Chap {
            initiator,
            target: self.chap_mutual,
        });
        self.stage.run("iscsi", |ready| serve(&ready, &base, chap))
    }
}

fn serve(ready: &Ready<'_>, base: &str, chap: Option<Chap>) -> Result<Served, ServeError> {
    let disk = ready.bench.disk();
    let startup = ready.bench.observed.startup.as_ref();
    let units = Units::new(&disk, startup.map_or(&[], |startup| &startup.units));
    let targets = units.names(base);
    let login = LoginConfig {
        targets: targets.clone(),
        chap,
        offer: Offer::default(),
    };
    let config = ServerConfig::new(Arc::new(login), disk.limits().max_transfer);
    ready.announce("iscsi", &targets)?;
    let counts = server::serve(
        &ready.listener,
        &units,
        &config,
        std::os::fd::AsFd::as_fd(ready.stop),
    )?;
    Ok(Served {
        targets,
        connections: counts.connections,
        connections_refused: counts.refused,
        connections_broken: counts.broken,
        logins: counts.logins,
        commands: counts.commands,
        resets: counts.resets,
    })
}

fn name(text: &str) -> Result<String, String> {
    let formed = ["iqn.", "eui.", "naa."]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if formed && plain && text.len() <= 200 {
        Ok(text.to_owned())
    } else {
        Err("give a name such as iqn.2026-11.com.example:disk".to_owned())
    }
}

fn credentials(text: &str) -> Result<Credentials, String> {
    let (user, secret) = text.split_once(':').ok_or("give USER:SECRET")?;
    if user.is_empty() || !(12..=255).contains(&secret.len()) {
        // RFC 7143, 9.2.1: 96 bits at least.
        return Err("the user is not empty and the secret has 12 to 255 characters".to_owned());
    }
    Ok(Credentials {
        user: user.to_owned(),
        secret: secret.as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_names_formed() {
        assert!(credentials("me:short").is_err());
        assert!(credentials("nocolon-but-long").is_err());
        assert_eq!(credentials("me:twelve bytes").unwrap().user, "me");
        assert!(name("disk").is_err());
        assert!(name("iqn.2026-11.com.example:a b").is_err());
        assert!(name("iqn.2026-11.com.example:disk").is_ok());
    }
}
