# SPDX-License-Identifier: BSD-2-Clause
"""smf/: the manifest is built as SMF wants service bundles to be, and the method script passes settings on as they are."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

SMF = pathlib.Path(__file__).resolve().parents[1] / "smf"
MANIFEST, METHOD = SMF / "zrepd.xml", SMF / "zrepd"
STOP_SECONDS = 10  # zrepd ends after 5 s at the latest

TYPES = set("count integer opaque host hostname net_address_v4 net_address_v6 time astring ustring boolean fmri uri".split())
BOOLEAN = {"true", "false"}
GROUPING = {"require_all", "require_any", "exclude_all", "optional_all"}
RESTART_ON = {"error", "restart", "refresh", "none"}
ANY = None
# What we use of the service bundle: element -> (children in their order as a regular expression over "name ", attributes
# that it must have, attributes that it may have). A value of an attribute is one of a set, or ANY.
STRUCTURE = {
    "service_bundle": ("(service )*", {"type": {"manifest", "profile", "archive"}, "name": ANY}, {}),
    "service": ("(create_default_instance )?(single_instance )?(restarter )?(dependency )*(dependent )*(method_context )?"
                "(exec_method )*(property_group )*(instance )*(stability )?(template )?",
                {"name": ANY, "version": ANY, "type": {"service", "restarter", "milestone"}}, {}),
    "create_default_instance": ("", {"enabled": BOOLEAN}, {}),
    "single_instance": ("", {}, {}),
    "dependency": ("(service_fmri )*(stability )?((propval|property) )*",
                   {"name": ANY, "grouping": GROUPING, "restart_on": RESTART_ON, "type": ANY}, {"delete": BOOLEAN}),
    "service_fmri": ("", {"value": ANY}, {}),
    "method_context": ("((method_profile|method_credential) )?(method_environment )?", {},
                       {"working_directory": ANY, "project": ANY, "resource_pool": ANY}),
    "method_credential": ("", {"user": ANY},
                          {"group": ANY, "supp_groups": ANY, "privileges": ANY, "limit_privileges": ANY}),
    "method_environment": ("(envvar )+", {}, {}),
    "envvar": ("", {"name": ANY, "value": ANY}, {}),
    "exec_method": ("(method_context )?(stability )?((propval|property) )*",
                    {"type": {"method", "monitor"}, "name": ANY, "exec": ANY, "timeout_seconds": ANY}, {"delete": BOOLEAN}),
    "property_group": ("(stability )?((propval|property) )*", {"name": ANY, "type": ANY}, {"delete": BOOLEAN}),
    "propval": ("", {"name": ANY, "type": TYPES, "value": ANY}, {"override": BOOLEAN}),
    "stability": ("", {"value": {"Standard", "Stable", "Evolving", "Unstable", "External", "Obsolete"}}, {}),
    "template": ("common_name (description )?(documentation )?(pg_pattern )*", {}, {}),
    "common_name": ("(loctext )+", {}, {}),
    "description": ("(loctext )+", {}, {}),
    "documentation": ("((doc_link|manpage) )*", {}, {}),
    "manpage": ("", {"title": ANY, "section": ANY}, {"manpath": ANY}),
    "loctext": ("", {"{http://www.w3.org/XML/1998/namespace}lang": ANY}, {}),
}


def faults(element):
    """What is wrong with an element and all below it, one line each."""
    if element.tag not in STRUCTURE:
        return [f"no element {element.tag}"]
    children, must, may = STRUCTURE[element.tag]
    out = []
    found = "".join(child.tag + " " for child in element)
    if not re.fullmatch(children, found):
        out.append(f"{element.tag} has the children {found}")
    for name, value in element.attrib.items():
        allowed = {**must, **may}
        if name not in allowed:
            out.append(f"{element.tag} has no attribute {name}")
        elif allowed[name] is not ANY and value not in allowed[name]:
            out.append(f"{element.tag} {name}={value}")
    out += [f"{element.tag} lacks {name}" for name in must if name not in element.attrib]
    if element.tag != "loctext" and (element.text or "").strip():
        out.append(f"{element.tag} has text")
    return out + [fault for child in element for fault in faults(child)]


def dtd():
    """STRUCTURE as a document type definition, for those who know no other form; what it only names may be anything."""
    def content(children):
        model = re.sub(r"\(\(([^()]*)\) \)", r"(\1)", children)
        model = re.sub(r"\(([^()|]*) \)", r"\1", model)
        return ", ".join(re.findall(r"\([^()]*\)[*+?]?|\w+[*+?]?", model))

    def attribute(name, values, wanted):
        return f"{name.replace('{http://www.w3.org/XML/1998/namespace}', 'xml:')} " \
               f"{'CDATA' if values is ANY else '(' + '|'.join(sorted(values)) + ')'} {wanted}"
    out, named = [], set()
    for tag, (children, must, may) in STRUCTURE.items():
        named |= set(re.findall(r"\w+", children))
        text = "(#PCDATA)" if tag == "loctext" else f"({content(children)})" if children else "EMPTY"
        out.append(f"<!ELEMENT {tag} {text}>")
        out += [f"<!ATTLIST {tag} {attribute(name, values, '#REQUIRED')}>" for name, values in must.items()]
        out += [f"<!ATTLIST {tag} {attribute(name, values, '#IMPLIED')}>" for name, values in may.items()]
    return "\n".join(out + [f"<!ELEMENT {tag} ANY>" for tag in sorted(named - STRUCTURE.keys())]) + "\n"


class Manifest(unittest.TestCase):
    def setUp(self):
        self.root = xml.etree.ElementTree.parse(MANIFEST).getroot()
        self.service = self.root.find("service")

    def test_is_built_as_a_service_bundle(self):
        self.assertEqual(faults(self.root), [])
        self.assertIn('<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">', MANIFEST.read_text())

    def test_faults_of_a_bundle_are_found(self):
        text = MANIFEST.read_text()
        for old, new in (('grouping="optional_all"', 'grouping="all"'), ("<stability ", "<stable "),
                         ('<propval name="witness" type="astring"', '<propval name="witness"'),
                         ("<common_name>", "<common_name>text"), ('type="method" name="stop"', 'type="method" named="stop"')):
            with self.subTest(old):
                self.assertIn(old, text)
                self.assertNotEqual(faults(xml.etree.ElementTree.fromstring(text.replace(old, new))), [])

    @unittest.skipIf(shutil.which("xmllint") is None, "xmllint is not installed")
    def test_is_well_formed(self):
        done = subprocess.run(["xmllint", "--noout", "--nonet", MANIFEST], capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(shutil.which("xmllint") is None, "xmllint is not installed")
    def test_is_valid_for_xmllint(self):
        text = MANIFEST.read_text()
        with tempfile.TemporaryDirectory() as folder:
            definition, manifest = pathlib.Path(folder, "bundle.dtd"), pathlib.Path(folder, "zrepd.xml")
            definition.write_text(dtd())
            for old, new, status in (("", "", 0), ('grouping="optional_all"', 'grouping="all"', 3), ("<stability ", "<stable ", 3),
                                     ('type="method" name="stop"', 'type="method" named="stop"', 3)):
                manifest.write_text(text.replace(old, new) if old else text)
                done = subprocess.run(["xmllint", "--noout", "--nonet", "--dtdvalid", definition, manifest],
                                      capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, status, done.stderr)

    def test_methods(self):
        methods = {method.get("name"): method for method in self.service.findall("exec_method")}
        self.assertEqual({name: method.get("exec") for name, method in methods.items()},
                         {"start": "/lib/svc/method/zrepd start", "refresh": "/lib/svc/method/zrepd refresh", "stop": ":kill"})
        self.assertGreater(int(methods["stop"].get("timeout_seconds")), STOP_SECONDS)

    def test_is_installed_where_it_is_looked_for(self):
        """manifest-import knows /lib/svc/manifest and /var/svc/manifest, whatever the prefix is."""
        text = (SMF.parent / "CMakeLists.txt").read_text()
        self.assertIn('set(ZREPD_SVC_FOLDER /lib/svc CACHE', text)
        self.assertIn('install_naming(smf/zrepd.xml zrepd.xml ${ZREPD_SVC_FOLDER}/manifest/system FILE', text)

    def test_needs_its_pools_and_the_network(self):
        needed = {fmri.get("value") for dependency in self.service.findall("dependency")
                  if dependency.get("grouping") == "require_all" for fmri in dependency.findall("service_fmri")}
        self.assertEqual(needed, {"svc:/system/filesystem/local:default", "svc:/milestone/network:default"})

    def test_no_user_but_root_says_what_root_runs(self):
        names = [value.get("name") for value in self.service.iter("propval")]
        self.assertEqual([name for name in names if name in ("value_authorization", "modify_authorization")], [])


def quoted(value):
    """As svcprop prints a value."""
    return re.sub(r"""([;&()|^<>\n \t\\"'`])""", r"\\\1", value) or '""'


class Method(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # The installation puts the program's place there in the same way.
        self.script = self.put("method", METHOD.read_text().replace("zrepd=/usr/sbin/zrepd", f"zrepd={self.folder}/zrepd"))
        said = 'here=${0%%/*}\nfor word; do printf "%%s\\0" "$word"; done >"$here/%s"\n'
        self.put("zrepd", "#!/bin/sh\n" + said % "arguments" + 'exit "$(cat "$here/status")"\n')
        self.put("svcprop", "#!/bin/sh\n" + said % "asked" + 'cat "$here/told"\nexit "$(cat "$here/svc")"\n')
        self.told(status=0)

    def put(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def told(self, *lines, status=0, svc=0):
        self.put("told", "".join(line + "\n" for line in lines))
        self.put("status", str(status))
        self.put("svc", str(svc))

    def run_method(self, *words, shell="sh"):
        (self.folder / "arguments").unlink(missing_ok=True)
        return subprocess.run([shell, self.script, *words], capture_output=True, text=True, timeout=30, cwd=self.folder,
                              env={"PATH": f"{self.folder}:{os.environ['PATH']}", "SMF_FMRI": "svc:/application/zrepd:default"})

    def words(self, name):
        """What a program was started with; None when it was not."""
        path = self.folder / name
        return path.read_bytes().decode().split("\0")[:-1] if path.exists() else None

    def test_values_arrive_as_they_are(self):
        shells = [shell for shell in ("sh", "bash", "ksh", "ksh93", "mksh") if shutil.which(shell)]
        for value in ("4", "/a b/c", "two  spaces", " at the ends ", "tab\there", "it's", 'say "x"', "back\\slash", "\\", "$HOME",
                      "$(touch made)", "`touch made`", "; touch made", "a;b&c|d<e>f^g(h)", "*", "~", "-h", "--help", "--", "=", "#x",
                      "a=b", "%s", "é", "!"):
            for shell in shells:
                with self.subTest(value, shell=shell):
                    self.told(f"config/ssh-user astring {quoted(value)}", "config/streams count 6")
                    done = self.run_method("start", shell=shell)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertEqual(self.words("arguments"), [f"--ssh-user={value}", "--streams=6"])
        self.assertFalse((self.folder / "made").exists())

    def test_what_has_no_value_is_no_option(self):
        names = [value.get("name") for value in xml.etree.ElementTree.parse(MANIFEST).getroot().iter("propval")]
        self.told(*(f'config/{name} astring ""' for name in names))
        self.assertEqual(self.run_method("start").returncode, 0)
        self.assertEqual(self.words("arguments"), [])
        self.assertEqual(self.words("asked"), ["-p", "config", "svc:/application/zrepd:default"])

    def test_start_ends_as_zrepd_ends_or_as_smf_names_it(self):
        self.told("config/streams astring 9", status=1)
        self.assertEqual(self.run_method("start").returncode, 1)
        self.assertEqual(self.words("arguments"), ["--streams=9"])
        self.told("config/streams astring 99", status=2)
        done = self.run_method("start")
        self.assertEqual(done.returncode, 96)
        self.assertIn("svcadm clear zrepd", done.stderr)
        self.assertEqual(self.words("arguments"), ["--check-config", "--streams=99"])

    def test_refresh_checks_and_never_fails(self):
        for status in (0, 2):
            self.told("config/streams astring 4", status=status)
            done = self.run_method("refresh")
            self.assertEqual(done.returncode, 0)
            self.assertEqual(self.words("arguments"), ["--check-config", "--streams=4"])
            self.assertIn("svcadm restart zrepd", done.stderr)

    def test_what_cannot_be_passed_on_is_refused(self):
        for lines, status, said in ((["config/streams astring 4 5"], 96, "config/streams has several values"),
                                    (["config/streams boolean true"], 96, "it has to be astring")):
            self.told(*lines)
            done = self.run_method("start")
            self.assertEqual(done.returncode, status)
            self.assertIn(said, done.stderr)
            self.assertIsNone(self.words("arguments"))
        self.told(svc=1)
        done = self.run_method("start")
        self.assertEqual((done.returncode, self.words("arguments")), (95, None))

    def test_any_other_word_is_a_mistake(self):
        for words in ([], ["stop"], ["restart"], [""]):
            done = self.run_method(*words)
            self.assertEqual((done.returncode, self.words("arguments")), (2, None))
            self.assertIn("usage:", done.stderr)

    def test_shells_understand_it(self):
        self.assertNotIn("eval", re.sub(r"(?m)^#.*", "", METHOD.read_text()))
        self.assertTrue(os.access(METHOD, os.X_OK))
        done = subprocess.run(["sh", "-n", METHOD], capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(shutil.which("shellcheck") is None, "shellcheck is not installed")
    def test_shellcheck_finds_no_fault(self):
        done = subprocess.run(["shellcheck", "--norc", "-s", "sh", METHOD], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
