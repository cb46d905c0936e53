"""The safetensors format: 8 bytes with the length of the header (little-endian), the header in
JSON, and the tensors' elements, row-major and little-endian."""

import json

import torch

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
          "I64": torch.int64, "U8": torch.uint8}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write(path, tensors, metadata):
    header, body = {"__metadata__": metadata}, b""
    for name, t in tensors.items():
        elements = t.detach().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape),
                        "data_offsets": [len(body), len(body) + len(elements)]}
        body += elements
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)  # aligns the elements
    path.write_bytes(len(head).to_bytes(8, "little") + head + body)


def read(path):
    """Returns the tensors by name, and the metadata."""
    file = path.read_bytes()
    body = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:body])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, h in header.items():
        begin, end = h["data_offsets"]
        elements = torch.frombuffer(bytearray(file[body + begin:body + end]), dtype=DTYPES[h["dtype"]])
        tensors[name] = elements.reshape(h["shape"])
    return tensors, metadata
