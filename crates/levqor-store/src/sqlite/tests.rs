//! Faults, from inside.
