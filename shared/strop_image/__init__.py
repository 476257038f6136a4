"""The one decoder of images: services and the device agent use it, so that a file is accepted by all of them or by none."""
