//! What PostgreSQL's binary form of a value means.
//!
//! Pure: the type and the bytes in, a value out. Types that have no meaning here are known before anything is asked.

use bytes::Bytes;
use chrono::{Days, NaiveDate};
use tokio_postgres::types::{Kind, Type};

use crate::contract::{Real, SqlValue};
use crate::egress::sql::value::{date_text, time_text};

/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// How the values of a type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Boolean,
    Integer2,
    Integer4,
    Integer8,
    /// An object identifier.
    Unsigned4,
    Real4,
    Real8,
    Numeric,
    Text,
    Json,
    /// With a version before the text.
    Jsonb,
    Bytes,
    Uuid,
    Date,
    Time,
    Timestamp,
    Void,
}

impl Form {
    /// `None` for what is refused: arrays, composites, ranges, and types of which nobody knows the form.
    pub(super) fn of(kind: &Type) -> Option<Self> {
        let form = match *kind {
            Type::BOOL => Self::Boolean,
            Type::INT2 => Self::Integer2,
            Type::INT4 => Self::Integer4,
            Type::INT8 => Self::Integer8,
            Type::OID => Self::Unsigned4,
            Type::FLOAT4 => Self::Real4,
            Type::FLOAT8 => Self::Real8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::XML | Type::UNKNOWN => Self::Text,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            Type::BYTEA => Self::Bytes,
            Type::UUID => Self::Uuid,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Self::Timestamp,
            Type::VOID => Self::Void,
            _ => match kind.kind() {
                Kind::Enum(_) => Self::Text,
                Kind::Domain(inner) => return Self::of(inner),
                Kind::Simple if kind.name() == "citext" => Self::Text,
                _ => return None,
            },
        };
        Some(form)
    }

    /// `None` where the bytes are not of this form.
    pub(super) fn value(self, bytes: &[u8]) -> Option<SqlValue> {
        Some(match self {
            Self::Boolean => SqlValue::Boolean(bytes != [0]),
            Self::Integer2 => SqlValue::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Integer4 => SqlValue::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Integer8 => SqlValue::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
            Self::Unsigned4 => SqlValue::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Real4 => SqlValue::Real(Real(f32::from_be_bytes(bytes.try_into().ok()?).into())),
            Self::Real8 => SqlValue::Real(Real(f64::from_be_bytes(bytes.try_into().ok()?))),
            Self::Numeric => SqlValue::Text(numeric(bytes)?),
            Self::Text => SqlValue::Text(text(bytes)?),
            Self::Json => SqlValue::Json(text(bytes)?),
            Self::Jsonb => SqlValue::Json(text(bytes.strip_prefix(&[1])?)?),
            Self::Bytes => SqlValue::Bytes(Bytes::copy_from_slice(bytes)),
            Self::Uuid => SqlValue::Text(uuid(bytes)?),
            Self::Date => SqlValue::Text(date(i32::from_be_bytes(bytes.try_into().ok()?))?),
            Self::Time => {
                SqlValue::Text(time_text(u64::try_from(i64::from_be_bytes(bytes.try_into().ok()?)).ok()?))
            }
            Self::Timestamp => match i64::from_be_bytes(bytes.try_into().ok()?) {
                i64::MAX => SqlValue::Text("infinity".to_owned()),
                i64::MIN => SqlValue::Text("-infinity".to_owned()),
                since_2000 => SqlValue::Timestamp(since_2000.checked_add(EPOCH_MICROSECONDS)?),
            },
            Self::Void => SqlValue::Null,
        })
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (one, rest) = digits.split_at(8);
    Some(format!("{one}-{}-{}-{}-{}", &rest[..4], &rest[4..8], &rest[8..12], &rest[12..]))
}

fn date(days: i32) -> Option<String> {
    let begin = NaiveDate::from_ymd_opt(2000, 1, 1)?;
    let count = Days::new(days.unsigned_abs().into());
    match days {
        i32::MAX => Some("infinity".to_owned()),
        i32::MIN => Some("-infinity".to_owned()),
        0.. => begin.checked_add_days(count).map(date_text),
        _ => begin.checked_sub_days(count).map(date_text),
    }
}

/// How many digits, the weight of the first, the sign, how many places after the point; then digits to base 10,000.
fn numeric(bytes: &[u8]) -> Option<String> {
    let word = |index: usize| Some(u16::from_be_bytes(bytes.get(index * 2..index * 2 + 2)?.try_into().ok()?));
    let (count, weight, sign, scale) = (word(0)?, i32::from(word(1)?.cast_signed()), word(2)?, word(3)?);
    let sign = match sign {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    let digits: Vec<u16> = (0..count).map(|index| word(4 + usize::from(index))).collect::<Option<_>>()?;
    let at = |power: i32| usize::try_from(weight - power).ok().and_then(|index| digits.get(index).copied());
    let mut text = String::from(sign);
    let first = weight.max(0);
    for power in (0..=first).rev() {
        let digit = at(power).unwrap_or_default();
        match power == first {
            true => text.push_str(&digit.to_string()),
            false => text.push_str(&format!("{digit:04}")),
        }
    }
    if scale > 0 {
        let groups = i32::from(scale).div_euclid(4) + 1;
        let fraction: String =
            (1..=groups).map(|group| format!("{:04}", at(-group).unwrap_or_default())).collect();
        text.push('.');
        text.push_str(&fraction[..usize::from(scale)]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric_of(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> String {
        let words = [digits.len() as u16, weight.cast_unsigned(), sign, scale];
        let bytes: Vec<u8> = words.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect();
        numeric(&bytes).unwrap()
    }

    #[test]
    fn decimal_numbers_are_written_with_every_digit() {
        for (number, expected) in [
            (numeric_of(0, 0, 0, &[]), "0"),
            (numeric_of(0, 0, 2, &[]), "0.00"),
            (numeric_of(0, 0, 0, &[42]), "42"),
            (numeric_of(1, 0x4000, 2, &[1, 2345, 6700]), "-12345.67"),
            (numeric_of(2, 0, 0, &[1]), "100000000"),
            (numeric_of(-1, 0, 4, &[1]), "0.0001"),
            (numeric_of(-2, 0, 8, &[1200]), "0.00001200"),
            (numeric_of(0, 0, 10, &[3, 1415, 9265, 3500]), "3.1415926535"),
            (numeric_of(0, 0xC000, 0, &[]), "NaN"),
            (numeric_of(0, 0xF000, 0, &[]), "-Infinity"),
        ] {
            assert_eq!(number, expected);
        }
        assert_eq!(numeric(&[0, 1, 0, 0, 0, 0, 0, 0]), None, "a digit is missing");
    }

    #[test]
    fn values_are_what_their_types_say() {
        let text = |text: &str| Some(SqlValue::Text(text.to_owned()));
        let uuid: Vec<u8> = (0..16).collect();
        for (kind, bytes, expected) in [
            (Type::BOOL, &[1][..], Some(SqlValue::Boolean(true))),
            (Type::INT2, &[0xff, 0xff], Some(SqlValue::Integer(-1))),
            (Type::INT4, &[0x80, 0, 0, 0], Some(SqlValue::Integer(i32::MIN.into()))),
            (Type::OID, &[0x80, 0, 0, 0], Some(SqlValue::Integer(1 << 31))),
            (Type::FLOAT4, &0.5_f32.to_be_bytes(), Some(SqlValue::Real(Real(0.5)))),
            (Type::JSONB, b"\x01{}", Some(SqlValue::Json("{}".to_owned()))),
            (Type::JSONB, b"\x02{}", None),
            (Type::UUID, &uuid, text("00010203-0405-0607-0809-0a0b0c0d0e0f")),
            (Type::DATE, &9_863_i32.to_be_bytes(), text("2027-01-02")),
            (Type::DATE, &(-730_119_i32).to_be_bytes(), text("0001-01-01")),
            (Type::DATE, &i32::MAX.to_be_bytes(), text("infinity")),
            (Type::TIME, &1_500_000_i64.to_be_bytes(), text("00:00:01.500000")),
            (Type::TIMESTAMPTZ, &0_i64.to_be_bytes(), Some(SqlValue::Timestamp(EPOCH_MICROSECONDS))),
            (Type::TIMESTAMP, &i64::MIN.to_be_bytes(), text("-infinity")),
            (Type::TIMESTAMP, &(i64::MAX - 1).to_be_bytes(), None),
            (Type::TEXT, &[0xff], None),
            (Type::INT4, &[0], None),
            (Type::VOID, &[], Some(SqlValue::Null)),
        ] {
            assert_eq!(Form::of(&kind).unwrap().value(bytes), expected, "{kind}");
        }
        for refused in [Type::INT4_ARRAY, Type::INTERVAL, Type::INT4_RANGE, Type::POINT, Type::RECORD] {
            assert_eq!(Form::of(&refused), None, "{refused}");
        }
    }
}
