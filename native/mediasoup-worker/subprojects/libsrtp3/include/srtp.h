#pragma once

// libsrtp 3's interface, as far as the mediasoup worker uses it, on top of libsrtp 2.5.
// Functions that differ in their parameters are C++ overloads of libsrtp 2's own.

#define srtp_policy_t srtp2_policy_t
#include <srtp2/srtp.h>
#undef srtp_policy_t

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

constexpr auto srtp_err_status_buffer_small = static_cast<srtp_err_status_t>(28);
constexpr auto srtp_err_status_cryptex_err = static_cast<srtp_err_status_t>(29);

struct srtp3_policy {
  srtp2_policy_t policy{};
  unsigned char key[SRTP_MAX_KEY_LEN]{};  // master key, then salt
};
using srtp_policy_t = srtp3_policy*;

inline srtp_err_status_t srtp_policy_create(srtp_policy_t* policy) {
  *policy = new (std::nothrow) srtp3_policy;
  if (*policy == nullptr) return srtp_err_status_alloc_fail;
  (*policy)->policy.key = (*policy)->key;
  return srtp_err_status_ok;
}

inline void srtp_policy_destroy(srtp_policy_t policy) {
  if (policy == nullptr) return;
  // volatile: the key must be gone, whatever the optimiser thinks of dead stores.
  std::fill_n(static_cast<volatile unsigned char*>(policy->key), sizeof(policy->key), 0);
  delete policy;
}

inline srtp_err_status_t srtp_policy_set_ssrc(srtp_policy_t policy, srtp_ssrc_t ssrc) {
  policy->policy.ssrc = ssrc;
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_profile(srtp_policy_t policy, srtp_profile_t profile) {
  const auto err = srtp_crypto_policy_set_from_profile_for_rtp(&policy->policy.rtp, profile);
  if (err != srtp_err_status_ok) return err;
  return srtp_crypto_policy_set_from_profile_for_rtcp(&policy->policy.rtcp, profile);
}

inline srtp_err_status_t srtp_policy_add_key(srtp_policy_t policy, const uint8_t* key,
                                             size_t keyBytes, const uint8_t* salt, size_t saltBytes,
                                             const uint8_t* /*mki*/, size_t mkiBytes) {
  if (mkiBytes != 0 || keyBytes + saltBytes > sizeof(policy->key)) return srtp_err_status_bad_param;
  std::memcpy(policy->key, key, keyBytes);
  std::memcpy(policy->key + keyBytes, salt, saltBytes);
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_allow_repeat_tx(srtp_policy_t policy, bool allow) {
  policy->policy.allow_repeat_tx = allow ? 1 : 0;
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_window_size(srtp_policy_t policy, size_t packets) {
  policy->policy.window_size = packets;
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_create(srtp_t* session, srtp_policy_t policy) {
  return srtp_create(session, static_cast<const srtp2_policy_t*>(&policy->policy));
}

// ssrc: network byte order in both versions.
inline srtp_err_status_t srtp_stream_remove(srtp_t session, uint32_t ssrc) {
  return srtp_remove_stream(session, ssrc);
}

namespace srtp3 {

using InPlace = srtp_err_status_t (*)(srtp_t, void*, int*);

// libsrtp 2 works in place: copy the packet first. growthBytes: what the operation may append.
inline srtp_err_status_t transform(InPlace operation, srtp_t session, const uint8_t* in,
                                   size_t inBytes, uint8_t* out, size_t* outBytes,
                                   size_t growthBytes) {
  if (inBytes > INT_MAX) return srtp_err_status_bad_param;
  if (inBytes + growthBytes > *outBytes) return srtp_err_status_buffer_small;
  if (out != in) std::memmove(out, in, inBytes);
  int lengthBytes = static_cast<int>(inBytes);
  const auto err = operation(session, out, &lengthBytes);
  if (err == srtp_err_status_ok) *outBytes = static_cast<size_t>(lengthBytes);
  return err;
}

}  // namespace srtp3

inline srtp_err_status_t srtp_protect(srtp_t session, const uint8_t* rtp, size_t rtpBytes,
                                      uint8_t* srtp, size_t* srtpBytes, size_t /*mkiIndex*/) {
  return srtp3::transform(static_cast<srtp3::InPlace>(::srtp_protect), session, rtp, rtpBytes, srtp,
                          srtpBytes, SRTP_MAX_TRAILER_LEN);
}

inline srtp_err_status_t srtp_unprotect(srtp_t session, const uint8_t* srtp, size_t srtpBytes,
                                        uint8_t* rtp, size_t* rtpBytes) {
  return srtp3::transform(static_cast<srtp3::InPlace>(::srtp_unprotect), session, srtp, srtpBytes,
                          rtp, rtpBytes, 0);
}

inline srtp_err_status_t srtp_protect_rtcp(srtp_t session, const uint8_t* rtcp, size_t rtcpBytes,
                                           uint8_t* srtcp, size_t* srtcpBytes,
                                           size_t /*mkiIndex*/) {
  // SRTCP carries an index word of 4 bytes besides the trailer.
  return srtp3::transform(static_cast<srtp3::InPlace>(::srtp_protect_rtcp), session, rtcp,
                          rtcpBytes, srtcp, srtcpBytes, SRTP_MAX_TRAILER_LEN + 4);
}

inline srtp_err_status_t srtp_unprotect_rtcp(srtp_t session, const uint8_t* srtcp,
                                             size_t srtcpBytes, uint8_t* rtcp, size_t* rtcpBytes) {
  return srtp3::transform(static_cast<srtp3::InPlace>(::srtp_unprotect_rtcp), session, srtcp,
                          srtcpBytes, rtcp, rtcpBytes, 0);
}
