//! Enums of the vocabulary in the API's description. The crates that own them know nothing of the web, and nobody lists their words a
//! second time.

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

/// Types that describe enums to the API's readers, by what these say of themselves (`ALL`, `as_str`): a field is shown as one of them by
/// `#[schema(value_type = AlertStateName)]`. The document calls each by its own name, or by the one behind `as`.
macro_rules! vocabulary {
    (@shown $name:ident) => { stringify!($name) };
    (@shown $name:ident $shown:ident) => { stringify!($shown) };
    ($($(#[doc = $doc:literal])? $vis:vis $name:ident $(as $shown:ident)? = $of:ty;)+) => {$(
        $(#[doc = $doc])?
        #[derive(Debug)]
        $vis enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::openapi::one_of(concat!($($doc)?), <$of>::ALL.iter().map(|word| word.as_str()))
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($crate::openapi::vocabulary!(@shown $name $($shown)?))
            }
        }
    )+};
}
pub(crate) use vocabulary;

/// A text that is one of some words. An empty description is none.
pub(crate) fn one_of(description: &str, words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    let description = Some(description.trim()).filter(|text| !text.is_empty());
    ObjectBuilder::new().schema_type(Type::String).description(description).enum_values(Some(words)).into()
}
