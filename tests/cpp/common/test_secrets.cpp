#include <doctest/doctest.h>

#include "ptutils/common/names.h"

using namespace ptutils;

TEST_CASE("a key that names a secret is recognised however it is written") {
  for (const char* name : {"token",
                           "secret",
                           "password",
                           "passwd",
                           "key",
                           "api_key",
                           "apiKey",
                           "API-KEY",
                           "APIKey",
                           "AWS_SECRET",
                           "AWS_SECRET_ACCESS_KEY",
                           "Password",
                           "PGPASSWORD",
                           "db.password",
                           "auth_token",
                           "authToken",
                           "GITHUBTOKEN",
                           "apikey",
                           "api_keys",
                           "client_secret_2",
                           "--api-key",
                           "Authorization"}) {
    CAPTURE(name);
    CHECK(is_secret_name(name));
  }
}

TEST_CASE("a key that only looks like a secret is shown") {
  for (const char* name :
       {"", "tokenizer", "num_tokens", "tokens", "keyboard", "monkey", "keys",
        "learning_rate", "pass", "passes", "bypass", "user", "keypoints"}) {
    CAPTURE(name);
    CHECK_FALSE(is_secret_name(name));
  }
}

TEST_CASE("the password of a URI is hidden, the rest stays") {
  CHECK(hide_uri_passwords("mongodb://user:pass@host") ==
        "mongodb://user:***@host");
  CHECK(hide_uri_passwords("to mongodb+srv://u:p@a:1,b:2/db?x=1 and "
                           "redis://:p@h:6379/0.") ==
        "to mongodb+srv://u:***@a:1,b:2/db?x=1 and redis://:***@h:6379/0.");
  CHECK(hide_uri_passwords("\"http://u:p@h\",\"ftp://u:q@h\"") ==
        "\"http://u:***@h\",\"ftp://u:***@h\"");
}

TEST_CASE("a password with characters that should be escaped is hidden whole") {
  CHECK(hide_uri_passwords("mongodb://u:p@ss@h/db") == "mongodb://u:***@h/db");
  CHECK(hide_uri_passwords("mongodb://u:p/w@h/db") == "mongodb://u:***@h/db");
  CHECK(hide_uri_passwords("mongodb://u:p@s/w@h/db") == "mongodb://u:***@h/db");
  CHECK(hide_uri_passwords("mongodb://u:p?w@h/db") == "mongodb://u:***@h/db");
  CHECK(hide_uri_passwords("mongodb://u:p'#:w@h") == "mongodb://u:***@h");
}

TEST_CASE("secrets in the query of a URI are hidden") {
  CHECK(hide_uri_passwords("https://h/x?user=a&api_key=b&page=2") ==
        "https://h/x?user=a&api_key=***&page=2");
  CHECK(hide_uri_passwords("https://h/x?token=b c") ==
        "https://h/x?token=*** c");
}

TEST_CASE("a token in the place of the user is hidden in web addresses") {
  CHECK(hide_uri_passwords("https://ghp_x@github.com/a/b.git") ==
        "https://***@github.com/a/b.git");
  CHECK(hide_uri_passwords("ssh://git@github.com/a") ==
        "ssh://git@github.com/a");
}

TEST_CASE("text without a password is unchanged") {
  for (const char* text :
       {"", "://", "a://", "http://h:80/@me", "http://h/@me", "x@y.z", "a:b@c",
        "file:///tmp/a:b", "mongodb://h:27017,i:27018/db", "://u:p@h"}) {
    CAPTURE(text);
    CHECK(hide_uri_passwords(text) == text);
  }
}

TEST_CASE("a line that assigns to a secret keeps the name only") {
  CHECK(hide_secrets("+  api_key: abc") == "+  api_key: ***");
  CHECK(hide_secrets("export AWS_SECRET=abc") == "export AWS_SECRET=***");
  CHECK(hide_secrets("x['token'] = 'abc'") == "x['token'] = ***");
  CHECK(hide_secrets("{\"user\": \"a\", \"password\": \"x\", \"n\": 1}") ==
        "{\"user\": \"a\", \"password\": ***");
  CHECK(hide_secrets("password := abc") == "password := ***");
  CHECK(hide_secrets("password => abc") == "password => ***");
  CHECK(hide_secrets("train --api-key abc --lr 1") == "train --api-key ***");
  CHECK(hide_secrets("Authorization: Bearer abc") == "Authorization: ***");
}

TEST_CASE("hide_secrets keeps the other lines and every line's ending") {
  CHECK(hide_secrets("a = 1\npassword = x\r\nb = 2\n") ==
        "a = 1\npassword = ***\r\nb = 2\n");
  CHECK(hide_secrets("\n\nlr: 0.1") == "\n\nlr: 0.1");
  CHECK(hide_secrets("tokenizer = 'bpe'\nkeys = [1]") ==
        "tokenizer = 'bpe'\nkeys = [1]");
  CHECK(hide_secrets("the password is long") == "the password is long");
  CHECK(hide_secrets("uri: mongodb://u:p@h\n") == "uri: mongodb://u:***@h\n");
}

TEST_CASE("a secret that comes twice in a line leaves no trace") {
  std::string text = hide_secrets("uri: mongodb://u:p1@h password=p2 token=p3");
  CHECK(text == "uri: mongodb://u:***@h password=***");
}
