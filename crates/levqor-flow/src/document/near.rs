//! "Did you mean …", in the words of documents.

pub(super) use levqor_model::did_you_mean;
pub use levqor_model::nearest;
