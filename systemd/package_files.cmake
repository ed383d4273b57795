# SPDX-License-Identifier: BSD-2-Clause
# cpack runs this between installing and packing: documents where Debian has them, and what it wants
# compressed.
set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}")
set(docs "${root}/usr/share/doc/zrepd")
file(MAKE_DIRECTORY "${docs}")
file(READ "${CPACK_ZREPD_SOURCE}/LICENSE" license)
file(WRITE "${docs}/copyright" "${license}")
configure_file("${CPACK_ZREPD_SOURCE}/CHANGELOG.md" "${docs}/CHANGELOG.md" COPYONLY)
configure_file("${CPACK_ZREPD_BINARY}/package/changelog" "${docs}/changelog" COPYONLY)
file(COPY "${CPACK_ZREPD_SOURCE}/docs/" DESTINATION "${docs}" PATTERN "*.[0-9]" EXCLUDE)
file(COPY "${CPACK_ZREPD_SOURCE}/README.md" DESTINATION "${docs}")
# Links between documents, which lie side by side here, and without the tests.
file(GLOB documents "${docs}/*.md")
foreach(path IN LISTS documents)
    file(READ "${path}" text)
    string(REPLACE "](docs/" "](" text "${text}")
    string(REPLACE "](../README.md" "](README.md" text "${text}")
    string(REPLACE "](LICENSE)" "](copyright)" text "${text}")
    string(REPLACE "](CHANGELOG.md)" "](CHANGELOG.md.gz)" text "${text}")
    string(REGEX REPLACE "\\[([^]\n]*)\\]\\((\\.\\./)?tests/[^)\n]*\\)" "\\1" text "${text}")
    # Manual pages are where man(1) finds them.
    string(REGEX REPLACE "\\[([^]\n]*)\\]\\([a-z.-]*\\.[0-9]\\)" "\\1" text "${text}")
    file(WRITE "${path}" "${text}")
endforeach()
file(GLOB pages "${root}/usr/share/man/man*/*.[0-9]")
execute_process(COMMAND gzip -9n "${docs}/CHANGELOG.md" "${docs}/changelog" ${pages} COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE all LIST_DIRECTORIES true "${root}/*")
foreach(path IN LISTS all)
    if(IS_DIRECTORY "${path}")
        file(CHMOD "${path}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
            WORLD_READ WORLD_EXECUTE)
    endif()
endforeach()
