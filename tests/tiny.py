"""Settings of networks that train in a second."""

TINY = {
    "backbone": "random",
    "dim": 32,
    "depth": 2,
    "heads": 2,
    "grid": 7,
    "layer_scale": 0.5,
    "global_size": 42,
    "eval_size": 42,
}
TINY_TRAINING = {
    **TINY,
    "steps": 8,
    "batch": 6,
    "evaluate_every": 4,
    "warmup_steps": 2,
    "freeze_backbone_steps": 1,
    "lr": 1e-3,
    "drop_path": 0.2,
}
TINY_MM_DINOV2 = {
    **TINY_TRAINING,
    "local_size": 28,
    "local_crops": 2,
    "head_hidden": 32,
    "head_bottleneck": 16,
    "prototypes": 8,
    "freeze_last_layer_steps": 1,
    "teacher_temperature_steps": 4,
}
