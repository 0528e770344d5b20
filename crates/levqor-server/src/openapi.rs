//! `/openapi.json`: the API described by itself.
