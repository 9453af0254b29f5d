//! liaison
pub mod config;
pub mod contract;
pub mod event;
