{
  'variables': { 'sanitize%': 0 },
  'targets': [
    {
      'target_name': 'edge',
      'sources': [
        'src/addon.cc',
        'src/address.cc',
        'src/capture.cc',
        'src/edge.cc',
        'src/fork.cc',
        'src/fuzz.cc',
        'src/js_values.cc',
        'src/leg_socket.cc',
        'src/pcapng.cc',
        'src/port.cc',
        'src/receive_batch.cc',
        'src/relay.cc',
        'src/ring.cc',
        'src/rtcp.cc',
        'src/rtcp_rewrite.cc',
        'src/shard.cc',
        'src/udp.cc',
      ],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': ['NAPI_VERSION=9', 'NODE_ADDON_API_DISABLE_DEPRECATED', '_GNU_SOURCE'],
      'cflags!': ['-fno-exceptions', '-O3'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20', '-O3'],
      'cflags': ['-O2', '-g1', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
      'cflags_cc': ['-std=c++20', '-fexceptions'],
      'conditions': [
        ['sanitize==1', {
          'cflags': ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer'],
          'ldflags': ['-fsanitize=address,undefined'],
        }],
      ],
    },
  ],
}
