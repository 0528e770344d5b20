//! How values go into and come out of SQL, the same way for every backend.
//!
//! Columns are text, bigint, boolean or bytes. Times are microseconds since the epoch, ids and days are their texts.
//! What comes out is checked: a row that does not fit its type is [`Error::Decode`], never a panic.

use std::borrow::Cow;

use levqor_model::{
    AccountId, ActionItemId, AlertId, AlertState, ApprovalId, ConsultationId, ConsultationState, Date,
    DeclarationId, FeedbackId, IncidentId, IncidentLevel, IncidentState, InvitationId, KeyId, KeyPurpose,
    KeyState, LeadId, LinkId, MaintenanceId, NodeId, NotificationId, NotificationState, Priority, RegionCode,
    Residency, RingKeyId, Role, RunId, RunStatus, Scopes, SessionId, Severity, SilenceId, SubscriptionId,
    TicketId, TicketState, Timestamp, TriggerKind, UserId, WebhookId, WorkflowId,
};

use crate::Error;

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bigint(i64),
    Boolean(bool),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
}

/// What can be a parameter.
pub(crate) trait Param {
    fn value(&self) -> Value<'_>;
}

/// The parameters of a statement, in the order of `$1`, `$2`, …
macro_rules! params {
    ($($param:expr),* $(,)?) => { &[$($crate::value::Param::value(&$param)),*] };
}
pub(crate) use params;

impl<T: Param + ?Sized> Param for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Param> Param for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Param::value)
    }
}

impl Param for i64 {
    fn value(&self) -> Value<'_> {
        Value::Bigint(*self)
    }
}

/// Numbers of effects, kept as the bigint of the same bits: none is lost, and all that occur keep their order.
impl Param for u64 {
    fn value(&self) -> Value<'_> {
        Value::Bigint(self.cast_signed())
    }
}

impl Param for u32 {
    fn value(&self) -> Value<'_> {
        Value::Bigint(i64::from(*self))
    }
}

impl Param for u16 {
    fn value(&self) -> Value<'_> {
        Value::Bigint(i64::from(*self))
    }
}

/// A `LIMIT`.
impl Param for usize {
    fn value(&self) -> Value<'_> {
        Value::Bigint(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl Param for bool {
    fn value(&self) -> Value<'_> {
        Value::Boolean(*self)
    }
}

impl Param for str {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl Param for String {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl Param for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl Param for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl Param for [u8; 32] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl Param for Timestamp {
    fn value(&self) -> Value<'_> {
        Value::Bigint(self.as_micros())
    }
}

impl Param for Priority {
    fn value(&self) -> Value<'_> {
        Value::Bigint(i64::from(self.get()))
    }
}

impl Param for RegionCode {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self.as_str()))
    }
}

impl Param for Residency {
    fn value(&self) -> Value<'_> {
        Value::Text(match self {
            Residency::Anywhere => Cow::Borrowed(ANYWHERE),
            // A list of codes and a jurisdiction always have a JSON form.
            limited => serde_json::to_string(limited).map_or(Cow::Borrowed(ANYWHERE), Cow::Owned),
        })
    }
}

/// The JSON form of the usual residency.
const ANYWHERE: &str = "\"anywhere\"";

/// One column of a row, as the backend gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Null,
    Bigint(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Something that no column of ours holds.
    Foreign(&'static str),
}

/// What a column can become.
pub(crate) trait Column: Sized {
    /// The text of the error says what is wrong with the cell; the caller adds the column's name.
    fn read(cell: Cell<'_>) -> Result<Self, String>;
}

fn text(cell: Cell<'_>) -> Result<&str, String> {
    match cell {
        Cell::Text(text) => Ok(text),
        other => Err(format!("text expected, found {}", other.kind())),
    }
}

fn bytes(cell: Cell<'_>) -> Result<&[u8], String> {
    match cell {
        Cell::Bytes(bytes) => Ok(bytes),
        other => Err(format!("bytes expected, found {}", other.kind())),
    }
}

impl Cell<'_> {
    /// What it is; never the value itself, which may be private.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Cell::Null => "null",
            Cell::Bigint(_) => "a number",
            Cell::Text(_) => "text",
            Cell::Bytes(_) => "bytes",
            Cell::Foreign(what) => what,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Null => Ok(None),
            cell => T::read(cell).map(Some),
        }
    }
}

impl Column for i64 {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Bigint(number) => Ok(number),
            other => Err(format!("a number expected, found {}", other.kind())),
        }
    }
}

impl Column for u64 {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        i64::read(cell).map(i64::cast_unsigned)
    }
}

impl Column for u32 {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        u32::try_from(i64::read(cell)?).map_err(|_| "the number is out of range".to_owned())
    }
}

impl Column for u16 {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        u16::try_from(i64::read(cell)?).map_err(|_| "the number is out of range".to_owned())
    }
}

impl Column for bool {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        match i64::read(cell)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("a boolean expected, found another number".to_owned()),
        }
    }
}

impl Column for String {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        text(cell).map(str::to_owned)
    }
}

impl Column for Vec<u8> {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        bytes(cell).map(<[u8]>::to_vec)
    }
}

impl Column for [u8; 32] {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        let bytes = bytes(cell)?;
        bytes.try_into().map_err(|_| format!("32 bytes expected, found {}", bytes.len()))
    }
}

impl Column for Timestamp {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        i64::read(cell).map(Timestamp::from_micros)
    }
}

impl Column for Role {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        Role::parse(text(cell)?).ok_or_else(|| "not a role".to_owned())
    }
}

impl Column for Priority {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        Priority::new(u64::read(cell)?).ok_or_else(|| "not a priority".to_owned())
    }
}

impl Column for Residency {
    fn read(cell: Cell<'_>) -> Result<Self, String> {
        match text(cell)? {
            ANYWHERE => Ok(Residency::Anywhere),
            json => serde_json::from_str(json).map_err(|error| format!("not a residency: {error}")),
        }
    }
}

/// Types whose column is the text that they show.
macro_rules! as_text {
    ($($name:ident),+) => {
        $(impl Param for $name {
            fn value(&self) -> Value<'_> {
                Value::Text(Cow::Owned(self.to_string()))
            }
        }

        impl Column for $name {
            fn read(cell: Cell<'_>) -> Result<Self, String> {
                text(cell)?.parse().map_err(|error: <$name as std::str::FromStr>::Err| error.to_string())
            }
        })+
    };
}

as_text!(
    AccountId,
    ActionItemId,
    AlertId,
    ApprovalId,
    ConsultationId,
    Date,
    DeclarationId,
    FeedbackId,
    IncidentId,
    InvitationId,
    KeyId,
    LeadId,
    LinkId,
    MaintenanceId,
    NodeId,
    NotificationId,
    RingKeyId,
    RunId,
    Scopes,
    SessionId,
    SilenceId,
    SubscriptionId,
    TicketId,
    UserId,
    WebhookId,
    WorkflowId
);

/// Types whose column is one of a few words.
macro_rules! as_word {
    ($($name:ident),+) => {
        $(impl Param for $name {
            fn value(&self) -> Value<'_> {
                Value::Text(Cow::Borrowed(self.as_str()))
            }
        })+
    };
}

as_word!(
    AlertState,
    ConsultationState,
    IncidentLevel,
    IncidentState,
    KeyPurpose,
    KeyState,
    NotificationState,
    Role,
    RunStatus,
    Severity,
    TicketState,
    TriggerKind
);

macro_rules! from_text {
    ($($name:ident),+) => {
        $(impl Column for $name {
            fn read(cell: Cell<'_>) -> Result<Self, String> {
                text(cell)?.parse().map_err(|error: <$name as std::str::FromStr>::Err| error.to_string())
            }
        })+
    };
}

from_text!(
    AlertState,
    ConsultationState,
    IncidentLevel,
    IncidentState,
    KeyPurpose,
    KeyState,
    NotificationState,
    RegionCode,
    RunStatus,
    Severity,
    TicketState,
    TriggerKind
);

/// Wraps what [`Column::read`] said with the name of the column.
pub(crate) fn decode<T: Column>(name: &str, cell: Cell<'_>) -> Result<T, Error> {
    T::read(cell).map_err(|reason| Error::Decode(format!("column {name}: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_does_not_fit_says_so_and_never_shows_its_value() {
        let rows: [(Result<String, Error>, &str); 6] = [
            (shown::<i64>(Cell::Text("secret")), "column c: a number expected, found text"),
            (shown::<bool>(Cell::Bigint(7)), "column c: a boolean expected, found another number"),
            (shown::<u32>(Cell::Bigint(-1)), "column c: the number is out of range"),
            (shown::<[u8; 32]>(Cell::Bytes(b"short")), "column c: 32 bytes expected, found 5"),
            (shown::<Role>(Cell::Text("king")), "column c: not a role"),
            (shown::<String>(Cell::Null), "column c: text expected, found null"),
        ];
        for (result, expected) in rows {
            match result {
                Err(Error::Decode(reason)) => assert_eq!(reason, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    fn shown<T: Column + std::fmt::Debug>(cell: Cell<'_>) -> Result<String, Error> {
        decode::<T>("c", cell).map(|value| format!("{value:?}"))
    }

    #[test]
    fn every_residency_survives_its_column() {
        let rows = [
            Residency::Anywhere,
            Residency::Jurisdiction("EU".to_owned()),
            Residency::Regions(vec!["eu-west".parse().unwrap()]),
        ];
        for residency in rows {
            let Value::Text(text) = residency.value() else { panic!("text") };
            assert_eq!(Residency::read(Cell::Text(&text)), Ok(residency.clone()));
        }
    }

    #[test]
    fn all_bits_of_an_effect_number_survive() {
        for effect in [0, 1, u64::MAX, u64::MAX / 2] {
            let Value::Bigint(number) = effect.value() else { panic!("bigint") };
            assert_eq!(u64::read(Cell::Bigint(number)), Ok(effect));
        }
    }
}
