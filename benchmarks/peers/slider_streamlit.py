"""A slider of Streamlit that decodes a picture: streamlit run slider_streamlit.py --server.port PORT -- WEIGHTS."""

import sys

import numpy as np
import streamlit as st
from slider_decoder import decoder

decode, units = st.cache_resource(decoder)(sys.argv[1])
code = np.zeros(units, np.float32)
code[0] = st.slider("unit 0", -4.0, 4.0, -4.0, 0.05)
st.image(decode(code), width=168)
