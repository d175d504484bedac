//! Rust source with everything blanked that is not code: comments, literals, test-only items.

/// The code of a file: as long as the file, line for line, with comments, the insides of strings
/// and the items that only tests or models compile turned into spaces.
pub(crate) fn code(text: &str) -> String {
    let plain = without_literals(text);
    let spans = test_items(&plain);
    let mut bytes = plain.into_bytes();
    for (from, to) in spans {
        for byte in &mut bytes[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).expect("blanking leaves ASCII")
}

/// The number, from 1, of the line that holds byte `at`.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// Where `word` stands in `code` with no other word's character before or after it. Only the
/// ends of `word` that are characters of words themselves are held to that.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let open = inside(word.as_bytes()[0]);
    let close = inside(word.as_bytes()[word.len() - 1]);
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = open && at > 0 && inside(bytes[at - 1]);
            let after = close && bytes.get(at + word.len()).is_some_and(|byte| inside(*byte));
            !before && !after
        })
}

/// Blanks comments and literals; what is not ASCII is blanked too.
pub(crate) fn without_literals(text: &str) -> String {
    let from = text.as_bytes();
    let mut to = Vec::with_capacity(from.len());
    let mut at = 0;
    while at < from.len() {
        let rest = &from[at..];
        let end = at + literal(rest, at.checked_sub(1).map(|before| from[before]));
        if end == at {
            to.push(if rest[0].is_ascii() { rest[0] } else { b' ' });
            at += 1;
            continue;
        }
        to.extend(
            from[at..end]
                .iter()
                .map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }),
        );
        at = end;
    }
    String::from_utf8(to).expect("only ASCII was kept")
}

/// The length of the comment or literal that `rest` begins with, or 0.
fn literal(rest: &[u8], before: Option<u8>) -> usize {
    let to_end = |length: Option<usize>| length.unwrap_or(rest.len());
    let find = |needle: &[u8], from: usize| {
        let found = rest
            .get(from..)?
            .windows(needle.len())
            .position(|window| window == needle);
        found.map(|at| from + at)
    };
    let in_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match rest {
        [b'/', b'/', ..] => to_end(find(b"\n", 0)),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, 1),
        [b'b' | b'c', b'"', ..] if !in_word => quoted(rest, 2),
        [b'r', b'"' | b'#', ..] if !in_word => raw(rest, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !in_word => raw(rest, 2),
        // A character, not a lifetime: an escape, or a quote after one character.
        [b'\'', b'\\', ..] => to_end(find(b"'", 3).map(|end| end + 1)),
        [b'\'', first, ..] => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0.. => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') {
                width + 2
            } else {
                0
            }
        }
        _ => 0,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[u8], mut at: usize) -> usize {
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"..."` or `r#"..."#`; 0 for a raw identifier.
fn raw(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let body = prefix + hashes + 1;
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let found = rest[body..]
        .windows(end.len())
        .position(|window| window == end);
    found.map_or(rest.len(), |at| body + at + end.len())
}

/// The items under a `cfg` of tests or of loom, and the modules named for them.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    for at in words(code, "#[cfg(") {
        let end = at + code[at..].find(']').unwrap_or(code.len() - at - 1) + 1;
        let condition = &code[at..end];
        let names = |word| words(condition, word).next().is_some();
        if (names("test") || names("loom")) && !names("not") {
            spans.push((at, item_end(code, end)));
        }
    }
    for name in ["mod tests", "mod model", "mod models"] {
        spans.extend(words(code, name).map(|at| (at, item_end(code, at))));
    }
    spans
}

/// The end of the item that begins at `at`: its semicolon, or the brace that closes it.
fn item_end(code: &str, at: usize) -> usize {
    let (mut braces, mut others) = (0usize, 0usize);
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'{' => braces += 1,
            b'}' if braces <= 1 => return at + offset + 1,
            b'}' => braces -= 1,
            b'(' | b'[' => others += 1,
            b')' | b']' => others = others.saturating_sub(1),
            b';' if braces == 0 && others == 0 => return at + offset + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn comments_and_literals_are_blanked_and_code_is_kept() {
    let text =
        "a /* b /* c */ d */ e // f\nr#\"g\"h\"# 'i' '\\n' &'k str \"l\\\"m\" b\"n\" for_\"o\"";
    let code = code(text);
    assert_eq!(code.len(), text.len());
    let kept: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(kept, ["a", "e", "&'k", "str", "for_"]);
}

#[test]
fn items_of_tests_are_blanked_and_the_next_item_is_kept() {
    let text = "#[cfg(test)]\nmod x { fn a() { [0; 2]; } }\nfn kept() {}\n#[cfg(all(loom, test))]\n\
                use b;\nmod tests;\nmod tests { c }\n#[cfg(not(loom))]\nfn also() {}";
    let code = code(text);
    let kept: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(
        kept,
        [
            "fn",
            "kept()",
            "{}",
            "#[cfg(not(loom))]",
            "fn",
            "also()",
            "{}"
        ]
    );
    assert_eq!(line_of(&code, code.find("also").expect("is kept")), 9);
}

#[test]
fn words_do_not_match_inside_of_words() {
    let found: Vec<usize> = words("libc xlibc libc_x libc::a", "libc").collect();
    assert_eq!(found, [0, 18]);
}
