#pragma once

#include <napi.h>

#include <new>

#include "error.h"

namespace tandem {

/** Runs `body` and turns its EdgeError into a JavaScript error with a `code`. */
template <typename Body>
Napi::Value guarded(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const EdgeError& error) {
    Napi::Error thrown = Napi::Error::New(env, error.what());
    thrown.Set("code", Napi::String::New(env, error.code()));
    throw thrown;
  } catch (const std::bad_alloc&) {
    throw Napi::Error::New(env, "out of memory");
  }
}

}  // namespace tandem
