"""Sign up, and confirm the address."""

from django.contrib.auth.models import User
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse


def sign_up(request: HttpRequest) -> HttpResponse:
    """POST email=...: a link goes there; nobody learns whether the address was known."""
    email = request.POST["email"]
    if not User.objects.filter(username=email).exists():
        link = request.build_absolute_uri(reverse("confirm", args=[signing.dumps(email)]))
        message = EmailMultiAlternatives("Welcome to the shop", f"Confirm your address: {link}\n", to=[email])
        message.attach_alternative(f'<p>Confirm your address: <a href="{link}">here</a></p>', "text/html")
        message.send()
    return HttpResponse("We have sent you a link.")


def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The link in the mail."""
    User.objects.get_or_create(username=signing.loads(token, max_age=86_400))
    return HttpResponse("Your address is confirmed.")


urlpatterns = [path("sign-up/", sign_up), path("confirm/<str:token>/", confirm, name="confirm")]
