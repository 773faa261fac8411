//! The page as a browser shows it: Chromium, headless, in both colour schemes.
//!
//! Fonts differ from machine to machine, so that pictures are not compared with kept ones: what must be there in its colour and at
//! its size is looked for. The pictures stay in target/reports/.

use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
    process::Command,
};

use super::{path, reports, run};

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 1600;

type Colour = [u8; 3];

/// What the style sheet says, in the light and in the dark scheme.
struct Scheme {
    name: &'static str,
    options: &'static [&'static str],
    ground: Colour,
    text: Colour,
    read: Colour,
    write: Colour,
}

const SCHEMES: [Scheme; 2] = [
    Scheme {
        name: "light",
        options: &[],
        ground: [0xff, 0xff, 0xff],
        text: [0x16, 0x19, 0x1d],
        read: [0x25, 0x63, 0xc9],
        write: [0xc2, 0x56, 0x0c],
    },
    Scheme {
        name: "dark",
        options: &["--force-dark-mode", "--blink-settings=preferredColorScheme=0"],
        ground: [0x14, 0x17, 0x1b],
        text: [0xe7, 0xea, 0xee],
        read: [0x7a, 0xa9, 0xff],
        write: [0xff, 0x9d, 0x57],
    },
];

/// Chromium's output for a page.
fn chromium(page: &Path, options: &[&str]) -> String {
    let profile = tempfile::tempdir().expect("a directory");
    let output = Command::new("chromium")
        // Root has no sandbox; there is nothing here that it could keep in.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", path(profile.path())))
        .arg(format!("--window-size={WIDTH},{HEIGHT}"))
        .args(options)
        .arg(format!("file://{}", path(page)))
        .output()
        .unwrap_or_else(|error| panic!("chromium: {error}; ./x setup installs it"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

struct Picture {
    pixels: Vec<u8>,
    width: usize,
}

impl Picture {
    fn open(path: &Path) -> Self {
        let file = BufReader::new(File::open(path).expect("a picture"));
        let mut decoder = png::Decoder::new(file);
        decoder.set_transformations(png::Transformations::ALPHA | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a picture");
        assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
        Self {
            pixels,
            width: info.width as usize,
        }
    }

    /// Places of a colour: column and line.
    fn places(&self, colour: Colour) -> Vec<(usize, usize)> {
        let pixels = self.pixels.chunks_exact(4).enumerate();
        let alike = pixels.filter(|(_, pixel)| {
            colour
                .iter()
                .zip(*pixel)
                .all(|(wanted, seen)| wanted.abs_diff(*seen) <= 2)
        });
        alike
            .map(|(index, _)| (index % self.width, index / self.width))
            .collect()
    }
}

/// How far apart the outermost are.
fn extent(places: &[(usize, usize)]) -> (usize, usize) {
    let span = |numbers: Vec<usize>| {
        let least = numbers.iter().min().copied().unwrap_or(0);
        numbers.iter().max().copied().unwrap_or(0) - least
    };
    (
        span(places.iter().map(|place| place.0).collect()),
        span(places.iter().map(|place| place.1).collect()),
    )
}

#[test]
fn a_browser_shows_plots_and_text_in_both_schemes() {
    let page = reports().join("seeing.html");
    run(&["--report", path(&page)]);
    for scheme in &SCHEMES {
        let picture = reports().join(format!("seeing-{}.png", scheme.name));
        // Yesterday's would do as well.
        let _ = fs::remove_file(&picture);
        let shot = format!("--screenshot={}", path(&picture));
        chromium(&page, &[scheme.options, &[shot.as_str()]].concat());
        let seen = Picture::open(&picture);
        let name = scheme.name;
        let ground = seen.places(scheme.ground).len();
        let all = (WIDTH * HEIGHT) as usize;
        assert!(ground > all / 2, "{name}: {ground} pixels of ground");
        let text = seen.places(scheme.text);
        assert!(text.len() > 2000, "{name}: {} pixels of text", text.len());
        for (what, colour) in [("reads", scheme.read), ("writes", scheme.write)] {
            let places = seen.places(colour);
            let (wide, high) = extent(&places);
            // Bars in the histogram on the left, a line in the plot on the right, a key below each.
            assert!(places.len() > 800, "{name}: {} pixels of {what}", places.len());
            assert!(wide > 500 && high > 100, "{name}: {what} are {wide} by {high}");
            let left = places.iter().filter(|place| place.0 < WIDTH as usize / 2).count();
            assert!(
                left > 400 && places.len() - left > 100,
                "{name}: {what} on one side only"
            );
        }
    }
}

#[test]
fn the_page_runs_its_own_script_and_no_other() {
    let page = reports().join("seeing.html");
    run(&["--report", path(&page)]);
    let text = fs::read_to_string(&page).expect("the page");
    let directory = tempfile::tempdir().expect("a directory");
    let show = |name: &str, text: &str| {
        let file = directory.path().join(name);
        fs::write(&file, text).expect("a page");
        chromium(&file, &["--dump-dom"])
    };
    let script = "<script>document.title = 'foreign';</script></body>";
    let attacked = text.replace("</body>", script);
    assert!(!show("attacked.html", &attacked).contains("<title>foreign"));
    // Without its policy the foreign script would run: what is tested here bites.
    let begin = attacked.find("<meta http-equiv").expect("a policy");
    let end = begin + attacked[begin..].find('>').expect("its end") + 1;
    let open = [&attacked[..begin], &attacked[end..]].concat();
    assert!(show("open.html", &open).contains("<title>foreign"));
    // Its own runs under the policy: a search hides the other rows.
    let searching = text.replace("type=\"search\"", "type=\"search\" value=\"event 129\"");
    let searched = show("searching.html", &searching);
    assert!(searched.contains(">2 of "), "two resets are found");
    assert!(searched.contains("<tr hidden"), "other rows are hidden");
    // Nothing is fetched from anywhere.
    assert!(!text.contains("http://") && !text.contains("https://"));
}
