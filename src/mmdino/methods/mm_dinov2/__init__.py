"""Our method of study: multi-modal DINOv2 (Scholz et al., MICCAI 2025), its released code mended (docs/method.md)."""
