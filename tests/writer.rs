//! The writing side through the public interface: files, groups, threads, space, and what a write does not do.

#[path = "writer/allocations.rs"]
mod allocations;
#[path = "writer/appends.rs"]
mod appends;
#[path = "writer/attributes.rs"]
mod attributes;
#[path = "writer/averages.rs"]
mod averages;
#[path = "writer/child.rs"]
mod child;
#[path = "writer/disk.rs"]
mod disk;
#[path = "writer/exemplars.rs"]
mod exemplars;
#[path = "writer/face.rs"]
mod face;
#[path = "writer/files.rs"]
mod files;
#[path = "writer/floats.rs"]
mod floats;
#[path = "writer/groups.rs"]
mod groups;
#[path = "writer/idle.rs"]
mod idle;
#[path = "writer/labelled_groups.rs"]
mod labelled_groups;
#[path = "writer/labels.rs"]
mod labels;
#[path = "writer/line.rs"]
mod line;
#[path = "writer/local.rs"]
mod local;
#[path = "writer/models.rs"]
mod models;
#[path = "writer/moments.rs"]
mod moments;
#[path = "writer/nested_groups.rs"]
mod nested_groups;
#[path = "writer/procedural.rs"]
mod procedural;
#[path = "writer/races.rs"]
mod races;
#[path = "writer/removal.rs"]
mod removal;
#[path = "writer/removal_labels.rs"]
mod removal_labels;
#[path = "writer/space.rs"]
mod space;
#[path = "writer/summary.rs"]
mod summary;
#[path = "writer/tasks.rs"]
mod tasks;
#[path = "writer/values.rs"]
mod values;
#[path = "writer/windows.rs"]
mod windows;
