//! Pushers as programs: what a receiver gets of files that this process writes, and what they do when it refuses.
