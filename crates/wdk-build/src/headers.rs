//! Where the open headers are.

use std::path::{Path, PathBuf};

use crate::{ApiSubset, Config, ConfigError, path_variable};

/// Folders of headers, in the order in which the compiler searches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchPath {
    /// This crate's headers: what mingw-w64's lack.
    own: PathBuf,
    /// mingw-w64's include folder.
    mingw: PathBuf,
}

impl SearchPath {
    pub(crate) fn from_env() -> Self {
        Self {
            own: Path::new(env!("CARGO_MANIFEST_DIR")).join("include"),
            mingw: path_variable("FERROPORT_MINGW_INCLUDE")
                .unwrap_or_else(|| "/usr/share/mingw-w64/include".into()),
        }
    }

    fn folders(&self) -> Result<[PathBuf; 3], ConfigError> {
        let folders = [self.own.clone(), self.mingw.join("ddk"), self.mingw.clone()];
        match folders.iter().find(|folder| !folder.is_dir()) {
            None => Ok(folders),
            Some(missing) => Err(ConfigError::DirectoryNotFound {
                directory: missing.clone(),
                remedy: "run `./x setup`, or set FERROPORT_MINGW_INCLUDE to mingw-w64's include folder",
            }),
        }
    }
}

impl Config {
    /// Folders that the compiler searches for headers, first to last.
    ///
    /// # Errors
    ///
    /// [`ConfigError::DirectoryNotFound`] if one does not exist.
    pub fn include_paths(&self) -> Result<impl Iterator<Item = PathBuf> + use<>, ConfigError> {
        self.search_path.folders().map(IntoIterator::into_iter)
    }

    /// Headers of a part of the interface, as far as the open headers have them.
    ///
    /// # Errors
    ///
    /// As [`Config::include_paths`].
    pub fn headers(
        &self,
        api_subset: ApiSubset,
    ) -> Result<impl Iterator<Item = String> + use<>, ConfigError> {
        let folders = self.search_path.folders()?;
        let present = move |header: &&&str| folders.iter().any(|folder| folder.join(header).is_file());
        Ok(api_subset
            .wdm_headers()
            .iter()
            .filter(present)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .into_iter())
    }

    /// A C source that includes the headers of several parts.
    ///
    /// # Errors
    ///
    /// As [`Config::include_paths`].
    pub fn bindgen_header_contents(
        &self,
        api_subsets: impl IntoIterator<Item = ApiSubset>,
    ) -> Result<String, ConfigError> {
        let mut contents = String::new();
        for api_subset in api_subsets {
            for header in self.headers(api_subset)? {
                contents.extend(["#include \"", &header, "\"\n"]);
            }
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DriverConfig;

    fn config(mingw: PathBuf) -> Config {
        Config {
            driver_config: DriverConfig::Wdm,
            search_path: SearchPath {
                mingw,
                ..SearchPath::from_env()
            },
        }
    }

    #[test]
    fn own_headers_come_before_those_they_correct() {
        let folders: Vec<_> = SearchPath::from_env().folders().unwrap().into();
        let first = |header: &str| folders.iter().position(|folder| folder.join(header).is_file());
        for header in ["storport.h", "ntddk.h", "ntdef.h", "intrin.h"] {
            assert_eq!(first(header), Some(0), "{header}");
        }
        assert_eq!(first("wdm.h"), Some(1));
    }

    #[test]
    fn a_missing_mingw_is_named_with_the_remedy() {
        let error = config("/nonexistent".into())
            .bindgen_header_contents([ApiSubset::Base])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nonexistent/ddk") && error.contains("./x setup"),
            "{error}"
        );
    }

    #[test]
    fn storage_includes_storport_last_and_wdf_nothing() {
        let config = config(SearchPath::from_env().mingw);
        let contents = config
            .bindgen_header_contents([ApiSubset::Wdf, ApiSubset::Storage])
            .unwrap();
        assert_eq!(contents.lines().last(), Some("#include \"storport.h\""));
        assert!(!contents.contains("ntddk.h"));
    }
}
