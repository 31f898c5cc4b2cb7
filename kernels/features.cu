// Every kernel for features, as rows.cu has those for logits:
//
//   feature_any      any two types, a block per row, element by element
//   feature_stream   a block per row, in vectors, read anew for every sweep: any D
//   feature_group8, feature_group16, feature_warp, feature_block   the whole row in registers
#include "feature.cuh"

#define ANY_FEATURES(...) ROW_KERNEL(feature_any, 512, 1, (features_of_blocks<Elements<Block>>))
#define FEATURES(E, type)                                                                              \
  ROW_KERNEL(feature_group8_##type, 256, 2, (features_of_groups<Registers<Padded<E>, Group<8>, 1>>))   \
  ROW_KERNEL(feature_group16_##type, 256, 2, (features_of_groups<Registers<Padded<E>, Group<16>, 2>>)) \
  ROW_KERNEL(feature_warp_##type, 256, 2, (features_of_groups<Registers<Padded<E>, Group<32>, 4>>))    \
  ROW_KERNEL(feature_block_##type, 512, 1, (features_of_blocks<Registers<Padded<E>, Block, 4>>))       \
  ROW_KERNEL(feature_stream_##type, 512, 1, (features_of_blocks<Stream<Padded<E>, Block>>))

#ifdef FAMILY
KERNELS(FAMILY, ELEMENT, TYPE)
#endif
