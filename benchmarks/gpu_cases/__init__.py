"""What `gpu_check.py` asks: is training on a GPU right, and how fast is it?"""
