"""Simulated CCTV with exact ground truth: worlds, pictures, and scripts of normal and abnormal life.

`world` is the contract, `scenes.build` makes places, `track.Steps` writes movement, `render.Renderer` draws.
"""
