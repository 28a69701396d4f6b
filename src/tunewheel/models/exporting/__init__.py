"""A model's network as files that other engines compute: ONNX in fp32 and int8, declared and checked."""
