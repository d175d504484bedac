//! Compile errors name their cure: small programs that must not compile, and what rustc says of
//! them in the words of this crate.
//!
//! Each file in `programs` lists these lines in comments that begin with `//~`. The other lines are
//! worded by the compiler and other crates, and are not compared. `good.rs` compiles, and so does
//! `large.rs`, with optimisation.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

fn program(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/messages/programs")
        .join(name)
        .with_extension("rs")
}

/// Type-checks a program against a build of the library.
fn check(name: &str, library: &Path) -> Output {
    compile(name, library, &["--emit=metadata"])
}

/// Compiles a program against a build of the library. The compiler may use 100 s of a processor and
/// 4 GiB.
fn compile(name: &str, library: &Path, arguments: &[&str]) -> Output {
    let made = format!("messages-{}-{name}", std::process::id());
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(made);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = library.parent().expect("the library is in a folder");
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -t 100 && ulimit -v 4194304 && exec \"$@\"",
            "sh",
        ])
        .arg(rustc)
        .args(["--edition=2024", "--crate-type=bin", "--cap-lints=allow"])
        .args(arguments)
        .arg(format!("-o{}", made.display()))
        .arg(format!("-Ldependency={}", folder.display()))
        .arg(format!("--extern=crossdock={}", library.display()))
        .arg(program(name))
        .output()
        .expect("sh runs");
    let _ = fs::remove_file(made);
    output
}

/// The library that this test was built with: the newest of those beside it that the good program
/// compiles with.
fn library() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let test = std::env::current_exe().expect("this program has a path");
        let folder = test.parent().expect("it is in a folder");
        let mut built: Vec<((i64, i64), PathBuf)> = fs::read_dir(folder)
            .expect("the folder can be read")
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let library = name.starts_with("libcrossdock-") && name.ends_with(".rlib");
                let about = entry.metadata().ok()?;
                library.then(|| ((about.mtime(), about.mtime_nsec()), entry.path()))
            })
            .collect();
        built.sort();
        let mut said = String::from("no library was built");
        for (_, library) in built.into_iter().rev() {
            let output = check("good", &library);
            if output.status.success() {
                return library;
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        panic!("no build of the library compiles good.rs: {said}");
    })
}

/// Fails unless a program is refused with the lines that it lists, and only for traits that are not
/// implemented.
#[track_caller]
fn says_what_it_lists(name: &str) {
    let text = fs::read_to_string(program(name)).expect("the program can be read");
    let output = check(name, library());
    assert!(!output.status.success(), "{name} compiles");
    let said = String::from_utf8(output.stderr).expect("rustc writes UTF-8");
    let said: Vec<&str> = said
        .lines()
        .map(|line| line.trim_start_matches([' ', '|', '=']))
        .collect();
    for line in &said {
        let other = line.starts_with("error[") && !line.starts_with("error[E0277]");
        assert!(!other, "{name}: {line}");
    }
    let listed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//~ "))
        .collect();
    assert!(!listed.is_empty(), "{name} lists nothing");
    for line in listed {
        assert!(said.contains(&line), "{name}: no {line:?} in {said:#?}");
    }
}

#[test]
fn a_value_that_is_no_payload_is_refused_with_what_to_use_instead() {
    says_what_it_lists("string");
}

#[test]
fn a_struct_without_a_name_is_refused_with_how_to_name_it() {
    says_what_it_lists("unnamed");
}

#[test]
fn a_channel_of_what_serde_cannot_encode_is_refused_with_what_to_derive() {
    says_what_it_lists("unencoded");
}

#[test]
fn an_entry_that_is_no_primitive_is_refused_with_the_primitives() {
    says_what_it_lists("bare");
}

#[test]
fn an_argument_of_one_process_is_refused_with_what_to_hand_over() {
    says_what_it_lists("argument");
}

#[test]
fn a_result_that_serde_does_not_encode_is_refused_with_what_to_derive() {
    says_what_it_lists("result");
}

/// An error that takes a value of megabytes in more than once costs the optimiser minutes and
/// gigabytes.
#[test]
fn values_of_megabytes_are_optimised_in_seconds() {
    let output = compile("large", library(), &["--emit=obj", "-Copt-level=3"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}
