//! The interpreter, values in and values out: a workflow, an input and what happens to it give a transcript.
//!
//! Every row is also played in slices of one task, and rebuilt from its journal after each event: the rebuilt run must
//! be the same in every detail.

mod access;
mod allowed;
mod calls;
mod control_flow;
mod data_flow;
mod elsewhere;
mod errors;
mod events;
mod extensions;
mod functions;
mod life;
mod loose;
pub(crate) mod play;
mod processes;
mod properties;
mod resources;
mod services;
mod suspend;
