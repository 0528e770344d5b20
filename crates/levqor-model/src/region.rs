//! Regions: where Levqor runs (SPEC §4).

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A region's stable code, such as `eu-west`: lower case letters, digits and single dashes, 2 to 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionCode(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    #[error(
        "region code {0:?} must be 2 to 32 lower case letters, digits and single dashes, such as eu-west"
    )]
    Code(String),
    #[error("region {code:?} is not known; supported: {supported}")]
    Unknown { code: String, supported: String },
    #[error("region {0} is listed twice")]
    Duplicate(RegionCode),
    #[error("the list of regions is empty")]
    Empty,
}

impl RegionCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegionCode {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        let shape = (2..=32).contains(&text.len())
            && text.split('-').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
        if shape {
            Ok(Self(text.to_owned()))
        } else {
            Err(RegionError::Code(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for RegionCode {
    type Error = RegionError;

    fn try_from(text: String) -> Result<Self, RegionError> {
        text.parse()
    }
}

impl From<RegionCode> for String {
    fn from(code: RegionCode) -> String {
        code.0
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a region is, as computed or as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegionStatus {
    Planned,
    Active,
    Draining,
    Down,
}

impl RegionStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            RegionStatus::Planned => "planned",
            RegionStatus::Active => "active",
            RegionStatus::Draining => "draining",
            RegionStatus::Down => "down",
        }
    }
}

/// One row of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub code: RegionCode,
    pub name: String,
    pub description: String,
    /// What the operator declared; the shown status is computed from live nodes.
    #[serde(rename = "status", default = "planned")]
    pub declared: RegionStatus,
    /// Whose law holds there: `EU`, `US`, `IN`, …
    pub jurisdiction: String,
}

fn planned() -> RegionStatus {
    RegionStatus::Planned
}

/// All regions that this installation knows, in the operator's order. Never empty, codes are unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRegistry(Vec<Region>);

impl RegionRegistry {
    /// The code that a node has when nothing else is said.
    pub const DEFAULT_CODE: &'static str = "eu-west";

    /// # Errors
    /// [`RegionError::Empty`], [`RegionError::Duplicate`].
    pub fn new(regions: Vec<Region>) -> Result<Self, RegionError> {
        if regions.is_empty() {
            return Err(RegionError::Empty);
        }
        let mut seen = BTreeSet::new();
        for region in &regions {
            if !seen.insert(&region.code) {
                return Err(RegionError::Duplicate(region.code.clone()));
            }
        }
        Ok(Self(regions))
    }

    pub fn all(&self) -> &[Region] {
        &self.0
    }

    /// Whether runs of this residency may be in the region. One that is not listed is under nobody's law.
    pub fn allows(&self, residency: &Residency, region: &RegionCode) -> bool {
        match residency {
            Residency::Anywhere => true,
            Residency::Regions(regions) => regions.contains(region),
            Residency::Jurisdiction(jurisdiction) => {
                self.0.iter().any(|listed| listed.code == *region && listed.jurisdiction == *jurisdiction)
            }
        }
    }

    /// # Errors
    /// [`RegionError::Unknown`], which names the supported codes.
    pub fn find(&self, code: &str) -> Result<&Region, RegionError> {
        self.0.iter().find(|region| region.code.as_str() == code).ok_or_else(|| RegionError::Unknown {
            code: code.chars().take(64).collect(),
            supported: self.0.iter().map(|region| region.code.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The registry of SPEC §4.
impl Default for RegionRegistry {
    fn default() -> Self {
        let region = |code: &str, name: &str, description: &str, declared, jurisdiction: &str| Region {
            code: RegionCode(code.to_owned()),
            name: name.to_owned(),
            description: description.to_owned(),
            declared,
            jurisdiction: jurisdiction.to_owned(),
        };
        Self(vec![
            region("eu-west", "Europe West", "Primary region (London/Dublin)", RegionStatus::Active, "EU"),
            region("us-east", "US East", "Virginia/New York", RegionStatus::Planned, "US"),
            region("ap-south", "Asia Pacific South", "Mumbai/Singapore", RegionStatus::Planned, "IN"),
        ])
    }
}

/// Where a run may be taken over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Residency {
    /// Any region may take the run over.
    #[default]
    Anywhere,
    /// Only these regions may; else the run waits.
    Regions(Vec<RegionCode>),
    /// Only regions under this jurisdiction may; else the run waits.
    Jurisdiction(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_registry_is_valid_and_has_the_default_region() {
        let registry = RegionRegistry::default();
        assert_eq!(RegionRegistry::new(registry.all().to_vec()), Ok(registry.clone()));
        assert_eq!(registry.find(RegionRegistry::DEFAULT_CODE).unwrap().declared, RegionStatus::Active);
    }

    #[test]
    fn an_unknown_code_names_the_supported_ones() {
        let error = RegionRegistry::default().find("mars-north").unwrap_err();
        assert_eq!(
            error.to_string(),
            "region \"mars-north\" is not known; supported: eu-west, us-east, ap-south"
        );
    }

    #[test]
    fn codes_have_one_shape() {
        for bad in ["", "e", "EU-west", "eu_west", "-eu", "eu--west", "eu-", &"a".repeat(33)] {
            assert!(bad.parse::<RegionCode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_doubled_region_is_refused() {
        let mut regions = RegionRegistry::default().all().to_vec();
        regions.push(regions[0].clone());
        assert!(
            matches!(RegionRegistry::new(regions), Err(RegionError::Duplicate(code)) if code.as_str() == "eu-west")
        );
    }
}
