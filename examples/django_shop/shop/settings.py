"""A small shop: people sign up by a link that comes by mail."""

SECRET_KEY = "for the example only"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DEFAULT_FROM_EMAIL = "Shop <shop@shop.example>"
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
USE_TZ = True
