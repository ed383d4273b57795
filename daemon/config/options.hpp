// SPDX-License-Identifier: BSD-2-Clause
// The options of zrepd as --help and the man pages tell them. A default stands at the end of an
// option's text, in brackets. Pure.
#pragma once

#include <boost/program_options/options_description.hpp>

namespace zrepd::config {

/// What is done, or where the settings are; on the command line alone.
boost::program_options::options_description actions();
/// What the file may have as well; docs/zrepd.conf.5 is made from it.
boost::program_options::options_description settings();

}  // namespace zrepd::config
