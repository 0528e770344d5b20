//! The parts that pages are made of. Each takes values and gives markup; none knows a route or a store.

pub mod badge;
pub mod charts;
pub mod code;
pub mod deviation;
pub mod draft;
pub mod form;
pub mod graph;
pub mod icon;
pub mod journal;
pub mod note;
pub mod operator;
pub mod promise;
pub mod promise_tables;
pub mod region_map;
pub mod table;
pub mod time;
pub mod waterfall;
