"""The public pages, German, static, without JavaScript."""
