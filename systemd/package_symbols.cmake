# SPDX-License-Identifier: BSD-2-Clause
# Run by cpack once the packages are made: that of the debug symbols has sums of files by the path at which they were
# built, which `dpkg --verify` and lintian find missing, and no entry in /usr/share/doc.
foreach(package IN LISTS CPACK_PACKAGE_FILES)
    if(NOT package MATCHES "-dbgsym_")
        continue()
    endif()
    set(tree ${CPACK_TEMPORARY_DIRECTORY}/symbols)
    file(REMOVE_RECURSE ${tree})
    execute_process(COMMAND dpkg-deb --raw-extract ${package} ${tree} COMMAND_ERROR_IS_FATAL ANY)
    set(sums "")
    file(GLOB_RECURSE files RELATIVE ${tree} ${tree}/usr/*)
    foreach(file IN LISTS files)
        file(MD5 ${tree}/${file} sum)
        string(APPEND sums "${sum}  ${file}\n")
        file(CHMOD ${tree}/${file} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
    endforeach()
    file(WRITE ${tree}/DEBIAN/md5sums "${sums}")
    # As Debian's own: what is to be said is said in the package that they belong to.
    file(MAKE_DIRECTORY ${tree}/usr/share/doc)
    file(CREATE_LINK ${CPACK_PACKAGE_NAME} ${tree}/usr/share/doc/${CPACK_PACKAGE_NAME}-dbgsym SYMBOLIC)
    execute_process(COMMAND dpkg-deb --root-owner-group -z1 --build ${tree} ${package}
        OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
