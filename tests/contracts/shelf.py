"""What every shelf must do; each implementation inherits, and gives `shelf`."""


class ShelfContract:
    def test_what_was_laid_down_lies_there(self, shelf):
        shelf.put("a", "0", b"\x00one", seconds=60)
        shelf.put("a", "1", b"two", seconds=60)
        shelf.put("b", "0", b"", seconds=60)
        wanted = [("b", "0"), ("a", "1"), ("a", "2"), ("c", "0"), ("a", "0")]
        assert shelf.get(wanted) == [b"", b"two", None, None, b"\x00one"]
        shelf.put("a", "1", b"newer", seconds=60)
        assert shelf.get([("a", "1")]) == [b"newer"]
        assert shelf.get([]) == []

    def test_all_fields_of_a_name_go_together(self, shelf):
        for name in "ab":
            for field in "01":
                shelf.put(name, field, b"x", seconds=60)
        assert shelf.count(["a", "b", "never"]) == 2
        shelf.drop(["a", "never"])
        shelf.drop([])
        assert shelf.count(["a", "b", "never"]) == 1
        assert shelf.count([]) == 0
        assert shelf.get([("a", "0"), ("a", "1"), ("b", "0")]) == [None, None, b"x"]
