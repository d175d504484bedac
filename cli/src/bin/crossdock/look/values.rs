//! Values as hex and, where their type is known, as text.

use crossdock::segment::{EntryView, Inspection, ValueInfo};

use crate::with_causes;

/// A value, or the first bytes of one.
pub(super) struct Value<'a> {
    pub(super) info: &'a ValueInfo,
    pub(super) bytes: Vec<u8>,
    /// The whole value as text; `None` if its type is not known, or it was cut.
    pub(super) text: Option<String>,
}

pub(super) fn read<'a>(
    inspection: &Inspection,
    view: &'a EntryView,
    most: usize,
) -> Result<Vec<Value<'a>>, String> {
    let payload = view.info.payload.name();
    view.values
        .iter()
        .map(|info| {
            let bytes = inspection
                .read(info, most)
                .map_err(|error| with_causes(&error))?;
            let is_whole = bytes.len() as u64 == info.len;
            let text = is_whole.then(|| decoded(&payload, &bytes)).flatten();
            Ok(Value { info, bytes, text })
        })
        .collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// A value of a known type as text.
fn decoded(payload: &str, bytes: &[u8]) -> Option<String> {
    macro_rules! numbers {
        ($($type:ident)*) => {
            match payload {
                $(stringify!($type) => all(bytes, |part| $type::from_le_bytes(part).to_string()),)*
                "bool" => all(bytes, |[byte]| match byte {
                    0 => "false".to_owned(),
                    1 => "true".to_owned(),
                    other => format!("{other} (no bool)"),
                }),
                _ if payload.contains("FixedStr") => text(bytes),
                _ => None,
            }
        };
    }
    numbers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64)
}

/// Each number of an array, or the only one.
fn all<const N: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> String) -> Option<String> {
    let (parts, rest) = bytes.as_chunks::<N>();
    let texts: Vec<_> = parts.iter().map(|part| one(*part)).collect();
    (rest.is_empty() && !texts.is_empty()).then(|| texts.join(" "))
}

/// A length of four bytes, and text.
fn text(bytes: &[u8]) -> Option<String> {
    let (len, text) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let text = std::str::from_utf8(text.get(..len)?).ok()?;
    Some(format!("{text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_are_text_and_others_are_not() {
        let of = |payload, bytes: &[u8]| decoded(payload, bytes);
        assert_eq!(of("u16", &[1, 0, 0, 1]).as_deref(), Some("1 256"));
        assert_eq!(of("i8", &[255]).as_deref(), Some("-1"));
        assert_eq!(of("bool", &[1, 2]).as_deref(), Some("true 2 (no bool)"));
        assert_eq!(of("u32", &[1, 2, 3]), None);
        assert_eq!(of("shop.stock/1", &[1]), None);
        let text = [3, 0, 0, 0, b'a', b'\n', b'c', 0];
        let expected = Some("\"a\\nc\"");
        assert_eq!(of("crossdock.FixedStr<4>", &text).as_deref(), expected);
        assert_eq!(of("crossdock.FixedStr<4>", &[9, 0, 0, 0, 1]), None);
    }
}
