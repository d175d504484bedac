//! A pool resizes the pictures of a folder to 800 x 600 and puts a watermark on each. With `--kill
//! N` it kills a worker N times meanwhile: the pictures are complete all the same.
//!
//! ```text
//! cargo run --release --example photos -- --workers 4 --kill 3
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crossdock::process::{self, Pool};
use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use indicatif::ProgressBar;

const PHOTOS: u32 = 12;
const SIZE: (u32, u32) = (800, 600);
/// Where the watermark is, and a sign of it: a bit for each point of five rows.
const MARK_AT: (u32, u32) = (10, 10);
const MARK: [u16; 5] = [
    0b1100_0111_0011_0101,
    0b1010_1001_0100_0110,
    0b1010_1001_0100_0100,
    0b1010_1001_0100_0110,
    0b1100_0110_0011_0101,
];
const DOT: u32 = 6;
const WHITE: Rgb<u8> = Rgb([255, 255, 255]);

/// Calls `visit` for each point of the watermark.
fn mark(mut visit: impl FnMut(u32, u32)) {
    for (row, bits) in (0..).zip(MARK) {
        for column in (0..16).filter(|column| bits >> (15 - column) & 1 == 1) {
            let corner = (MARK_AT.0 + column * DOT, MARK_AT.1 + row * DOT);
            for point in 0..DOT * DOT {
                visit(corner.0 + point % DOT, corner.1 + point / DOT);
            }
        }
    }
}

/// Makes one picture out of another, in a worker. An error is a value, as every result is.
fn process_photo((from, to): (PathBuf, PathBuf)) -> Result<(), String> {
    let work = || -> Result<(), image::ImageError> {
        let photo = image::open(&from)?;
        let mut photo = photo
            .resize_exact(SIZE.0, SIZE.1, FilterType::Triangle)
            .to_rgb8();
        mark(|x, y| photo.put_pixel(x, y, WHITE));
        photo.save(&to)
    };
    work().map_err(|error| format!("{}: {error}", from.display()))
}

/// Fills a folder with pictures, each of another size.
fn make_photos(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let shade = |value: u32, most: u32| u8::try_from(value * 200 / most).unwrap_or(u8::MAX);
    let make = |number: u32| {
        let (width, height) = (300 + 40 * number, 900 - 20 * number);
        let photo = RgbImage::from_fn(width, height, |x, y| {
            let shades = [(x, width), (y, height), (number, PHOTOS)];
            Rgb(shades.map(|(value, most)| shade(value, most)))
        });
        let path = folder.join(format!("photo-{number}.png"));
        photo.save(&path)?;
        Ok(path)
    };
    (0..PHOTOS).map(make).collect()
}

/// Whether a picture has the size and the watermark.
fn is_processed(path: &Path) -> Result<bool, Box<dyn Error>> {
    let photo = image::open(path)?.to_rgb8();
    let mut marked = photo.dimensions() == SIZE;
    if marked {
        mark(|x, y| marked &= *photo.get_pixel(x, y) == WHITE);
    }
    Ok(marked)
}

/// The number behind an option of the command line.
fn option(name: &str, default: u32) -> Result<u32, Box<dyn Error>> {
    let mut words = env::args().skip_while(|word| word != name);
    match words.nth(1) {
        Some(number) => Ok(number.parse()?),
        None => Ok(default),
    }
}

/// A folder that is removed with all that is in it, also after an error.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the workers begin, and end, here
    let (workers, kills) = (option("--workers", 4)?, option("--kill", 0)?);
    let name = format!("crossdock-photos-{}", std::process::id());
    let folder = Folder(env::temp_dir().join(name));
    let (input, output) = (folder.0.join("in"), folder.0.join("out"));
    fs::create_dir_all(&input)?;
    fs::create_dir_all(&output)?;

    let photos = make_photos(&input)?;
    let jobs = photos.iter().map(|path| {
        let name = path.file_name().unwrap_or_default();
        (path.clone(), output.join(name))
    });
    let jobs: Vec<_> = jobs.collect();
    let pool = Pool::builder().workers(workers).build()?;
    let mut killed = 0;
    let results = pool.options().retries(3);
    // Drawn on a terminal only.
    let bar = ProgressBar::new(PHOTOS.into());
    for result in results.imap_unordered(process_photo, jobs.clone()) {
        result??;
        bar.set_position(pool.progress().done);
        if killed < kills
            && let Some(worker) = pool.worker_ids().first()
        {
            let worker = libc::pid_t::try_from(*worker)?;
            // SAFETY: a signal to a worker of this pool.
            unsafe { libc::kill(worker, libc::SIGKILL) };
            killed += 1;
        }
    }
    bar.finish_and_clear();
    for (_, path) in &jobs {
        assert!(is_processed(path)?, "{} is not complete", path.display());
    }
    if killed > 0 {
        println!("{killed} workers were killed meanwhile.");
    }
    println!("All images processed and saved.");
    Ok(())
}
