"""Pure functions of arrays in keras.ops: geometry, mesh, texture, shapes, filters, colour, JPEG, SSIM."""
