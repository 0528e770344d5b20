//! Where a run may be taken over, as a start asks for it: in the words of a document, or with `regions` named.

use std::{borrow::Cow, fmt};

use levqor_model::{RegionCode, Residency};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type, schema::AdditionalProperties,
};

const FORMS: &str = "\"anywhere\", a list of regions such as [\"eu-west\"], {\"regions\": [\"eu-west\"]} or {\"jurisdiction\": \"EU\"}";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResidencyBody {
    pub(super) residency: Residency,
    /// Whether the regions are the list itself, as in documents.
    pub(super) is_list: bool,
}

impl<'de> Deserialize<'de> for ResidencyBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = ResidencyBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ResidencyBody, E> {
        if text == "anywhere" {
            return Ok(ResidencyBody { residency: Residency::Anywhere, is_list: false });
        }
        Err(E::custom(format!("must be {FORMS}")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ResidencyBody, A::Error> {
        let mut regions = Vec::new();
        while let Some(code) = seq.next_element::<RegionCode>()? {
            regions.push(code);
        }
        Ok(ResidencyBody { residency: Residency::Regions(regions), is_list: true })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ResidencyBody, A::Error> {
        let residency = match map.next_key::<String>()?.as_deref() {
            Some("regions") => Residency::Regions(map.next_value()?),
            Some("jurisdiction") => Residency::Jurisdiction(map.next_value()?),
            Some(_) | None => return Err(A::Error::custom(format!("must be {FORMS}"))),
        };
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("must name either `regions` or a `jurisdiction`, and nothing else"));
        }
        Ok(ResidencyBody { residency, is_list: false })
    }
}

impl utoipa::PartialSchema for ResidencyBody {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let regions = || ArrayBuilder::new().items(text()).min_items(Some(1));
        let member = |name: &str, schema: RefOr<Schema>| {
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .property(name, schema)
                .required(name)
                .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
        };
        OneOfBuilder::new()
            .description(Some("Where a run may be taken over."))
            .item(text().enum_values(Some(["anywhere"])))
            .item(regions())
            .item(member("regions", regions().into()))
            .item(member("jurisdiction", text().into()))
            .into()
    }
}

impl utoipa::ToSchema for ResidencyBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ResidencyBody")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_what_the_regions_of_an_object_are() {
        let read = |value: serde_json::Value| serde_json::from_value::<ResidencyBody>(value);
        let eu_west = Residency::Regions(vec!["eu-west".parse().unwrap()]);
        let table = [
            (json!("anywhere"), Residency::Anywhere, false),
            (json!(["eu-west"]), eu_west.clone(), true),
            (json!({ "regions": ["eu-west"] }), eu_west, false),
            (json!({ "jurisdiction": "EU" }), Residency::Jurisdiction("EU".to_owned()), false),
        ];
        for (value, residency, is_list) in table {
            assert_eq!(read(value).unwrap(), ResidencyBody { residency, is_list });
        }
        for (value, reason) in [
            (json!("eu-west"), "must be \"anywhere\", a list of regions"),
            (json!(5), "expected \"anywhere\", a list of regions"),
            (json!({}), "must be \"anywhere\""),
            (json!({ "region": ["eu-west"] }), "must be \"anywhere\""),
            (json!({ "regions": ["eu-west"], "jurisdiction": "EU" }), "and nothing else"),
            (json!(["EU"]), "region code \"EU\""),
        ] {
            let said = read(value).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
        }
    }
}
