"""A file in blocks is the file: every reader agrees with the one that reads it whole."""

import numpy as np
import pytest

from isthmus.data import blocks, blockwise, read
from isthmus.data.blockwise import _last_end, count, in_blocks, parts

pa = pytest.importorskip("pyarrow")

TABLES = {
    "names, quotes and holes": 'name,x,day\n"a, ""b""",1,2024-01-01\nc,,\n"d\ne",3.5,2024-01-03\nf,4,\n',
    "row names": ",x,y\nr1,1,2\nr2,3,4\nr3,5,6\n",
    "no names": "1;2,5;a\n3;4,5;b\n5;6,5;\n",
    "blanks": "1, a, 2\n3, ?, 4\n5, b, ?\n",
    "one column": "x\n1\n2\n3\n",
    "one line without an end": "1,2,3",
}


@pytest.mark.parametrize("name", TABLES)
def test_blocks_of_text_join_to_the_whole(name, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLES[name])
    whole = read(path, types={})
    types = dict(zip(whole.table.column_names, whole.table.schema.types, strict=True))
    found = list(blocks(path, types=types, rows=2))
    assert [len(block) for block in found] == [2] * (len(whole) // 2) + [1] * (len(whole) % 2)
    joined = pa.concat_tables([block.table for block in found])
    assert joined.to_pydict() == whole.table.to_pydict() and joined.column_names == whole.table.column_names
    if whole.index is not None:
        assert np.concatenate([block.index for block in found]).tolist() == whole.index.tolist()


def test_names_of_rows_are_text_in_every_block(tmp_path, monkeypatch):
    monkeypatch.setattr(blockwise, "BYTES", 64)
    names = [*(f"{i:04}" for i in range(40)), *(f"A{i}" for i in range(10))]
    (tmp_path / "t.csv").write_text(",x\n" + "".join(f"{name},{i}.5\n" for i, name in enumerate(names)))
    found = [block.index for block in blocks(tmp_path / "t.csv")]
    assert len(found) > 3 and np.concatenate(found).tolist() == names == read(tmp_path / "t.csv").index.tolist()


def test_large_files_have_many_blocks_and_compressed_ones_too(tmp_path):
    import gzip

    text = "x,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(600_000))
    (tmp_path / "large.csv.gz").write_bytes(gzip.compress(text.encode(), 1))
    sizes = [len(block) for block in blocks(tmp_path / "large.csv.gz", rows=100_000)]
    assert sum(sizes) == 600_000 and max(sizes) <= 100_000 and len(sizes) > 6


@pytest.mark.parametrize("damage", ["cut", "bits", "checksum"])
def test_a_damaged_file_is_named(tmp_path, damage):
    import gzip

    path = tmp_path / "t.csv.gz"
    whole = gzip.compress(("x,y\n" + "".join(f"{i},{i * 7919 % 1000003}\n" for i in range(500_000))).encode(), 1)
    half = len(whole) // 2
    path.write_bytes({"cut": whole[:half], "checksum": whole[:-8] + b"12345678"}.get(damage, b""))
    if damage == "bits":
        path.write_bytes(whole[:half] + bytes(b ^ 90 for b in whole[half : half + 2000]) + whole[half + 2000 :])
    for read_all in (read, lambda path: list(blocks(path))):
        with pytest.raises(ValueError, match=r"cannot read .*t.csv.gz'.*; (give a readable table|correct that line)"):
            read_all(path)


def test_blocks_of_parquet(tmp_path):
    import pyarrow.parquet as pq

    table = pa.table({"x": [1, 2, 3, 4, 5], "label": list("abcde"), "__index_level_0__": list("vwxyz")})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=3)
    found = list(blocks(tmp_path / "t.parquet", label="label", types={}, rows=2))
    assert found[0].table.to_pydict() == {"x": [1, 2]}
    assert np.concatenate([block.index for block in found]).tolist() == list("vwxyz")
    assert np.concatenate([block.y for block in found]).tolist() == list("abcde")
    assert count(str(tmp_path / "t.parquet")) == 5 and in_blocks(str(tmp_path / "t.parquet"))


def test_what_is_in_memory_has_blocks_too(tmp_path):
    (tmp_path / "t.csv").write_text(TABLES["row names"])
    found = list(parts(read(tmp_path / "t.csv"), 2))
    assert [block.X.tolist() for block in found] == [[[1, 2], [3, 4]], [[5, 6]]]
    assert found[1].index.tolist() == ["r3"]
    assert not in_blocks("digits") and not in_blocks(str(tmp_path)) and count(str(tmp_path / "t.csv")) is None


@pytest.mark.parametrize("size", [16, 1 << 22])
@pytest.mark.parametrize("cell", ['"x,8', '8,"x'])
def test_a_quotation_mark_that_nothing_closes_is_named(tmp_path, monkeypatch, size, cell):
    monkeypatch.setattr(blockwise, "BYTES", size)
    lines = ["a,b", *(f"{i},{i}" for i in range(1500)), cell, "8,9", "9,9"]
    for end in ("", "\n"):
        (tmp_path / "t.csv").write_text("\n".join(lines) + end)
        with pytest.raises(ValueError, match=r"t.csv' as a table: line 1502 opens a cell with a quotation mark"):
            list(blocks(tmp_path / "t.csv", types={}))


def test_a_bad_line_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,4,5\n")
    with pytest.raises(ValueError, match=r"cannot read .*; correct that line"):
        list(blocks(tmp_path / "t.csv"))


def test_a_block_ends_where_a_line_does_outside_quotes():
    assert _last_end('a,"b\nc"\nd,e\nf', ",") == (12, 13, False)
    assert _last_end('a,"b\nc', ",") == (0, 6, True)
    assert _last_end('a\n"b\nc"', ",") == (2, 6, True)  # a quote that follows would make a letter of the last one
    assert _last_end("no end", ",") == (0, 6, False)
    assert _last_end('a;"b,\n', ",") == (6, 6, False)


def test_a_quote_within_a_cell_is_a_letter_and_opens_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(blockwise, "BYTES", 64)
    path = tmp_path / "t.csv"
    path.write_text('name,x\n5" pipe,0\n' + "".join(f"pipe,{i}\n" for i in range(400)))
    found = list(blocks(path))
    assert max(map(len, found)) < 10 and sum(map(len, found)) == 401
    assert found[0].table["name"][0].as_py() == '5" pipe'


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_text_is_cut_where_lines_end_wherever_a_piece_of_the_file_ends(tmp_path, monkeypatch, size):
    monkeypatch.setattr(blockwise, "BYTES", size)
    path = tmp_path / "t.csv"
    path.write_text('a;b\n0;u\n"x\n;""y""";1\nu" v;"2\n,"\n"";"3"\n5";""""\n"an end, ";"\n\nw"')
    types = dict.fromkeys("ab", pa.string())
    found = pa.concat_tables([block.table for block in blocks(path, types=types)]).to_pydict()
    assert found == read(path, types=types).table.to_pydict()
    assert found == {"a": ["0", 'x\n;"y"', 'u" v', None, '5"', "an end,"], "b": ["u", "1", "2\n,", "3", '"', "w"]}
