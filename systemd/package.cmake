# SPDX-License-Identifier: BSD-2-Clause
# cpack -G DEB: zrepd_VERSION_ARCH.deb and zrepd-dbgsym, for the Debian that they are built on.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME zrepd)
set(CPACK_PACKAGE_VENDOR "the zrepd authors")
set(ZREPD_MAINTAINER "the zrepd authors <zrepd@zrepd.invalid>" CACHE STRING "who answers for the package, as in NAME <ADDRESS>")
set(CPACK_PACKAGE_CONTACT "${ZREPD_MAINTAINER}")
# The resource agent lies where Pacemaker looks for it, whatever the prefix is.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# OpenZFS has packages of several names: Debian's, its own, other distributions'.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "openssh-client, systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "zfsutils-linux, openssh-server")
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "replication and failover of ZFS filesystems
zrepd on each of two hosts keeps a copy of ZFS filesystems on the other
one, incrementally and by schedule, and changes roles with it: planned, or
after a disaster, without losing or forking data unnoticed. zrepctl is its
client.")
file(GLOB CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/systemd/debian/*)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# What Debian expects of each package beside the programs; only there.
string(TIMESTAMP today "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${PROJECT_BINARY_DIR}/package/changelog "zrepd (${PROJECT_VERSION}) unstable; urgency=medium\n
  * See CHANGELOG.md.gz.\n
 -- ${CPACK_PACKAGE_CONTACT}  ${today}\n")
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/systemd/package_files.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/systemd/package_symbols.cmake)
set(CPACK_ZREPD_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_ZREPD_BINARY ${PROJECT_BINARY_DIR})
include(CPack)
