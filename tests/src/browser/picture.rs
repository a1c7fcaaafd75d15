//! A picture of a page: looked at by programs for blankness, and kept for people below the target folder.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Colours are counted in so many steps of each channel, so that smooth edges are no colours of their own.
const STEPS: u8 = 16;

/// An image in PNG, and its pixels.
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The file's bytes.
    pub png: Vec<u8>,
    rgb: Vec<[u8; 3]>,
}

impl Picture {
    /// From what the browser hands over.
    pub(super) fn of(base64: &str) -> Self {
        Self::read(STANDARD.decode(base64).expect("base64"))
    }

    /// From the bytes of a PNG of 8 bits a channel, as browsers make them.
    pub fn read(bytes: Vec<u8>) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("it fits into memory")];
        let frame = reader.next_frame(&mut pixels).expect("a whole PNG");
        let samples = frame.color_type.samples();
        let rgb = pixels[..frame.buffer_size()].chunks_exact(samples);
        let rgb = rgb.map(|pixel| [pixel[0], pixel[samples.min(3) / 2], pixel[samples.min(3) - 1]]).collect();
        Self { width: frame.width, height: frame.height, png: bytes, rgb }
    }

    /// Fails where it shows nothing, or hardly anything: one colour nearly everywhere, or two colours in all.
    #[track_caller]
    pub fn assert_shows_something(&self) {
        let mut colours: BTreeMap<[u8; 3], usize> = BTreeMap::new();
        for pixel in &self.rgb {
            *colours.entry(pixel.map(|channel| channel / STEPS)).or_default() += 1;
        }
        let most = colours.values().max().copied().unwrap_or_default();
        let share = most as f64 / self.rgb.len().max(1) as f64;
        assert!(share < 0.97 && colours.len() > 8, "it is blank: {} colours, {share:.3} of it is one", colours.len());
    }

    /// How bright it is on the whole, from 0 to 255: tells a dark page from a light one.
    pub fn brightness(&self) -> f64 {
        let sum: u64 = self.rgb.iter().flatten().map(|channel| u64::from(*channel)).sum();
        sum as f64 / (self.rgb.len().max(1) * 3) as f64
    }

    /// Keeps it as `target/pictures/<name>.png`, to be looked at.
    pub fn keep(&self, name: &str) -> PathBuf {
        let test = std::env::current_exe().expect("the test's own path");
        let folder = test.ancestors().nth(3).expect("tests are in <target>/<profile>/deps").join("pictures");
        std::fs::create_dir_all(&folder).expect("making a folder");
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, &self.png).expect("writing a picture");
        file
    }
}
