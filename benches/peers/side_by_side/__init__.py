"""The parts of torch_kd.py."""
