#!/usr/bin/env bash
# Configures FFmpeg for framerill-media: the containers and generators that it lets in, the encoders and muxers that it asks for,
# the decoders of what such containers hold, and no network, files or devices. Run in FFmpeg's source folder; arguments go to its
# configure.
set -euo pipefail

demuxers=(
  aac ac3 asf av1 avi dv flac flv gif h264 hevc ivf m4v matroska mjpeg mov mp3 mpegps mpegts mpegvideo mxf nut obu ogg wav
)
decoders=(
  cfhd cinepak dnxhd dvvideo ffv1 ffvhuff flv gif h263 h264 hevc huffyuv jpeg2000 libdav1d magicyuv mjpeg mpeg1video mpeg2video
  mpeg4 msmpeg4v1 msmpeg4v2 msmpeg4v3 png prores qtrle rawvideo svq1 svq3 theora utvideo v210 vc1 vp3 vp6 vp6f vp8 vp9 wmv1 wmv2
  wmv3
  aac aac_latm ac3 adpcm_ima_qt adpcm_ima_wav adpcm_ms alac amrnb amrwb dca eac3 flac mlp mp2 mp3 opus truehd vorbis wmapro wmav1
  wmav2
  pcm_alaw pcm_bluray pcm_dvd pcm_f32be pcm_f32le pcm_f64le pcm_mulaw pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32be pcm_s32le
  pcm_s8 pcm_u8
)
encoders=(aac libopus libvpx_vp8 libvpx_vp9 libx264 png)
muxers=(matroska mp4 mpegts webm)
filters=(
  aformat aresample format scale
  allrgb allyuv anoisesrc anullsrc cellauto color colorspectrum gradients life mandelbrot pal100bars pal75bars rgbtestsrc sine
  smptebars smptehdbars testsrc testsrc2 yuvtestsrc
)

comma() {
  local IFS=,
  echo "$*"
}

./configure "$@" --enable-gpl --enable-shared --disable-static --disable-autodetect --disable-debug --disable-doc \
  --disable-programs --disable-network --disable-protocols --disable-devices --disable-avdevice --disable-postproc \
  --disable-hwaccels --disable-demuxers --disable-decoders --disable-encoders --disable-muxers --disable-filters \
  --enable-zlib --enable-libdav1d --enable-libopus --enable-libvpx --enable-libx264 \
  --enable-demuxer="$(comma "${demuxers[@]}")" --enable-decoder="$(comma "${decoders[@]}")" \
  --enable-encoder="$(comma "${encoders[@]}")" --enable-muxer="$(comma "${muxers[@]}")" --enable-filter="$(comma "${filters[@]}")"
