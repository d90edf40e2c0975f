import glob, hashlib, json, sys

seq, prev = 0, "0" * 64
for path in sorted(glob.glob(sys.argv[1] + "/audit-*.jsonl")):
    for number, line in enumerate(open(path, "rb"), 1):
        where = f"{path} line {number}"
        if not line.endswith(b"\n"):
            print(f"{where}: torn, or being written")
            break
        body, seal = line[:-76], line[-76:]
        record = json.loads(line)
        digest = hashlib.sha256(body).hexdigest()
        assert seal == b',"hash":"%s"}\n' % digest.encode(), f"{where}: changed"
        assert record["seq"] == seq + 1, f"{where}: expected seq {seq + 1}"
        assert record["prev"] == prev, f"{where}: does not follow"
        seq, prev = record["seq"], digest
print(f"{seq} records, the last has hash {prev}")
