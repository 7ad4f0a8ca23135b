from mmdino.config.experiment import known_methods


def test_what_methods_share_is_no_method():
    assert "mm-dinov2" in known_methods()
    assert "common" not in known_methods()
