"""A slider of Gradio that decodes a picture: python slider_gradio.py WEIGHTS PORT."""

import sys

import gradio as gr
import numpy as np
from slider_decoder import decoder

decode, units = decoder(sys.argv[1])


def picture(value):
    """Decode with the first unit moved."""
    code = np.zeros(units, np.float32)
    code[0] = value
    return decode(code)


with gr.Blocks() as app:
    slider = gr.Slider(-4, 4, value=-4, step=0.05, label="unit 0")
    image = gr.Image(image_mode="L", height=168)
    slider.change(picture, slider, image, show_progress="hidden")
    app.load(picture, slider, image)

app.launch(server_port=int(sys.argv[2]), server_name="127.0.0.1", quiet=True)
