"""The files of pictures, each under the hash of its bytes, for as long as they are kept."""
