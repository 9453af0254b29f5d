//! From Rust's values to those of a database, and back.

use serde_json::Value;

use crate::raw::connector::liaison::plugin::effects::SqlValue;

/// A time in milliseconds since 1970, as events and deliveries have it.
pub fn timestamp_ms(milliseconds: u64) -> SqlValue {
    SqlValue::Timestamp(i64::try_from(milliseconds).unwrap_or(i64::MAX).saturating_mul(1_000))
}

macro_rules! bound {
    ($($from:ty => $value:pat => $to:expr;)*) => {$(
        impl From<$from> for SqlValue {
            fn from($value: $from) -> Self {
                $to
            }
        }
    )*};
}

bound! {
    bool => value => SqlValue::Boolean(value);
    i16 => value => SqlValue::Integer(value.into());
    i32 => value => SqlValue::Integer(value.into());
    i64 => value => SqlValue::Integer(value);
    u16 => value => SqlValue::Integer(value.into());
    u32 => value => SqlValue::Integer(value.into());
    f32 => value => SqlValue::Real(value.into());
    f64 => value => SqlValue::Real(value);
    &str => value => SqlValue::Text(value.to_owned());
    String => value => SqlValue::Text(value);
    &String => value => SqlValue::Text(value.clone());
    &[u8] => value => SqlValue::Bytes(value.to_vec());
    Vec<u8> => value => SqlValue::Bytes(value);
    &Vec<u8> => value => SqlValue::Bytes(value.clone());
    Vec<Option<String>> => value => SqlValue::Texts(value);
    Value => value => SqlValue::Json(value.to_string());
    &Value => value => SqlValue::Json(value.to_string());
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(SqlValue::Null, Into::into)
    }
}

/// What a column can be read as; `None` where it holds something else.
pub trait FromSql: Sized {
    fn from_sql(value: &SqlValue) -> Option<Self>;
}

impl FromSql for SqlValue {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: FromSql> FromSql for Option<T> {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Null => Some(None),
            value => T::from_sql(value).map(Some),
        }
    }
}

/// MySQL and SQLite have 1 and 0 for it.
impl FromSql for bool {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Boolean(value) => Some(*value),
            SqlValue::Integer(0) => Some(false),
            SqlValue::Integer(1) => Some(true),
            _ => None,
        }
    }
}

impl FromSql for i64 {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Integer(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromSql for f64 {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Real(value) => Some(*value),
            _ => None,
        }
    }
}

/// JSON is text too, and so are decimal numbers, dates and UUIDs.
impl FromSql for String {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Text(text) | SqlValue::Json(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromSql for Vec<u8> {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

/// Of JSON, and of text that is: MariaDB and SQLite have no type for it.
impl FromSql for Value {
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Text(text) | SqlValue::Json(text) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_go_in_and_come_out() {
        assert_eq!(bool::from_sql(&true.into()), Some(true));
        assert_eq!(bool::from_sql(&0.into()), Some(false));
        assert_eq!(bool::from_sql(&2.into()), None);
        assert_eq!(i64::from_sql(&(-7_i64).into()), Some(-7));
        assert_eq!(i64::from_sql(&"7".into()), None);
        assert_eq!(f64::from_sql(&0.5.into()), Some(0.5));
        assert_eq!(String::from_sql(&"a".to_owned().into()).as_deref(), Some("a"));
        assert_eq!(Vec::<u8>::from_sql(&vec![1, 2].into()), Some(vec![1, 2]));
        assert_eq!(Value::from_sql(&json!({"a": 1}).into()), Some(json!({"a": 1})));
        assert_eq!(Value::from_sql(&"{".into()), None);
        assert_eq!(Option::<i64>::from_sql(&None::<i64>.into()), Some(None));
        assert_eq!(Option::<i64>::from_sql(&Some(1_i64).into()), Some(Some(1)));
        assert_eq!(i64::from_sql(&SqlValue::Null), None);
        assert_eq!(
            SqlValue::from(vec![None, Some("a".to_owned())]),
            SqlValue::Texts(vec![None, Some("a".into())])
        );
        assert_eq!(timestamp_ms(1_500), SqlValue::Timestamp(1_500_000));
    }
}
