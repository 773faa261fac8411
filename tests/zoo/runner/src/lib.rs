//! The keeper of the zoo: runs its drivers in the lab and compares what the lab reports with what their labels say.
//!
//! | module | idea |
//! | --- | --- |
//! | [`label`] | what a driver's source says of itself |
//! | [`life`] | what is done with it |
//! | [`visit`] | one driver in the lab |
//! | [`round`] | all of them, each in a process of its own |
//! | [`report`] | the table and `zoo.json` |
//! | [`page`] | the guide's page of the rules |
//! | [`uncovered`] | rules without a driver, and why |

pub mod label;
pub mod life;
pub mod page;
pub mod report;
pub mod round;
pub mod uncovered;
pub mod visit;
