"""Whether a patient occurs twice: by crosswalk, by equal files or voxels, and by what the brain looks like."""
