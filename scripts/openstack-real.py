"""A real OpenStack on the loopback of this machine: see openstack-real.sh, which runs this with the
Python that has it installed.

    openstack-real.py FOLDER start     makes what is not there, runs everything, writes clouds.yaml
    openstack-real.py FOLDER stop      ends what start began

Everything is below FOLDER: databases, messages, configuration, logs, and `consoles`, where the
compute driver takes a server's console output from. Ports are chosen at the first start."""
import configparser
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time

HOST, SECRET = "127.0.0.1", "kw-test-only"
REGIONS = ("RegionOne", "RegionTwo")
PORTS = ("mysql", "rabbit", "rabbit_dist", "epmd", "keystone", "placement", "glance", "neutron", "nova", "nova2")
DATABASES = ("keystone", "placement", "glance", "neutron",
             "nova_api", "nova_main", "nova_cell0", "nova2_api", "nova2_main", "nova2_cell0")

# Nova's fake hypervisor, with a node that is the same after a restart, and a console from a file.
DRIVER = '''
import os, pathlib, uuid
from nova.virt import fake

NODE = str(uuid.uuid5(uuid.NAMESPACE_DNS, "keyway-test"))


class Driver(fake.MediumFakeDriver):
    vcpus, memory_mb, local_gb = 32, 131072, 4000

    def get_available_resource(self, nodename):
        return {**super().get_available_resource(nodename), "uuid": NODE}

    def get_nodenames_by_uuid(self, refresh=False):
        return {NODE: name for name in self.get_available_nodes()}

    def get_console_output(self, context, instance):
        file = pathlib.Path(os.environ["KEYWAY_CONSOLES"], instance.uuid + ".console")
        if file.exists():
            return file.read_bytes()
        return b"".join(b"[%5d.0] %s boots\\n" % (n, instance.hostname.encode()) for n in range(40))
'''

# Neutron without a data plane: every port is bound as soon as it is asked for.
MECHANISM = '''
from neutron_lib.plugins.ml2 import api


class Bound(api.MechanismDriver):
    connectivity = "l2"

    def initialize(self):
        pass

    def bind_port(self, context):
        context.set_binding(context.segments_to_bind[0]["id"], "ovs", {"port_filter": False}, status="ACTIVE")
'''


def free_ports():
    held = [socket.socket() for _ in PORTS]
    for one in held:
        one.bind((HOST, 0))
    found = {name: one.getsockname()[1] for name, one in zip(PORTS, held)}
    for one in held:
        one.close()
    return found


def began(pid):
    """When a process began, which with its number is its name."""
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "gone"


class Cloud:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.bin = pathlib.Path(sys.executable).parent
        for name in ("etc", "log", "run", "mysql", "rabbit", "images", "state", "consoles", "locks", "plugins"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        kept = self.folder / "ports.json"
        if not kept.exists():
            kept.write_text(json.dumps(free_ports()))
        self.ports = json.loads(kept.read_text())
        self.made = self.folder / "made"

    # Addresses and what every service is told.

    def url(self, service, path=""):
        return "http://%s:%d%s" % (HOST, self.ports[service], path)

    def database(self, name):
        return "mysql+pymysql://cloud:%s@%s:%d/%s?charset=utf8mb4" % (SECRET, HOST, self.ports["mysql"], name)

    @property
    def messages(self):
        return "rabbit://guest:guest@%s:%d/" % (HOST, self.ports["rabbit"])

    def account(self, name):
        return {"auth_type": "password", "auth_url": self.url("keystone", "/v3"), "username": name,
                "password": SECRET, "project_name": "service", "user_domain_name": "Default",
                "project_domain_name": "Default", "region_name": REGIONS[0]}

    def checked_by_keystone(self, name):
        return {**self.account(name), "www_authenticate_uri": self.url("keystone", "/v3"),
                "service_token_roles_required": "true"}

    def write(self, name, sections):
        file = self.folder / "etc" / name
        file.parent.mkdir(exist_ok=True)
        ini = configparser.RawConfigParser()
        ini.optionxform = str
        ini.read_dict({key: value for key, value in sections.items() if key != "DEFAULT"})
        with open(file, "w") as out:
            out.write("[DEFAULT]\n")
            out.writelines("%s = %s\n" % pair for pair in sections.get("DEFAULT", {}).items())
            ini.write(out)

    def nova(self, name, region):
        settings = self.account
        return {
            "DEFAULT": {"host": "kw", "state_path": self.folder / "state", "transport_url": self.messages,
                        "compute_driver": "keyway_test.Driver", "my_ip": HOST, "report_interval": 5,
                        "service_down_time": 60, "vif_plugging_is_fatal": "false", "vif_plugging_timeout": 0,
                        "log_file": self.folder / "log" / (name + ".log")},
            "api": {"auth_strategy": "keystone"},
            "api_database": {"connection": self.database(name + "_api")},
            "database": {"connection": self.database(name + "_main")},
            "conductor": {"workers": 1},
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 5},
            "filter_scheduler": {"track_instance_changes": "false"},
            "glance": {"api_servers": self.url("glance")},
            "oslo_concurrency": {"lock_path": self.folder / "locks"},
            "placement": settings("placement"),
            "neutron": {**settings("neutron"), "endpoint_override": self.url("neutron")},
            "service_user": {**settings("nova"), "send_service_user_token": "true"},
            "vnc": {"enabled": "true", "novncproxy_base_url": "http://%s:16080/vnc_auto.html" % HOST},
            "keystone_authtoken": self.checked_by_keystone("nova"),
        }

    def configure(self):
        etc, log = self.folder / "etc", self.folder / "log"
        self.write("keystone/keystone.conf", {
            "DEFAULT": {"log_file": log / "keystone.log"},
            "database": {"connection": self.database("keystone")},
            "fernet_tokens": {"key_repository": etc / "keystone" / "fernet"},
            "credential": {"key_repository": etc / "keystone" / "credential"},
        })
        self.write("placement/placement.conf", {
            "DEFAULT": {"log_file": log / "placement.log"},
            "placement_database": {"connection": self.database("placement")},
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": self.checked_by_keystone("placement"),
        })
        self.write("glance/glance-api.conf", {
            "DEFAULT": {"log_file": log / "glance.log", "enabled_backends": "disk:file", "transport_url": self.messages},
            "database": {"connection": self.database("glance")},
            "glance_store": {"default_backend": "disk"},
            "disk": {"filesystem_store_datadir": self.folder / "images"},
            "oslo_concurrency": {"lock_path": self.folder / "locks"},
            "paste_deploy": {"flavor": "keystone", "config_file": etc / "glance" / "glance-api-paste.ini"},
            "keystone_authtoken": self.checked_by_keystone("glance"),
        })
        self.write("neutron/neutron.conf", {
            "DEFAULT": {"log_file": log / "neutron.log", "state_path": self.folder / "state",
                        "api_paste_config": etc / "neutron" / "api-paste.ini", "core_plugin": "ml2",
                        "service_plugins": "", "transport_url": self.messages, "rpc_workers": 0,
                        "rpc_state_report_workers": 0, "dhcp_agent_notification": "false",
                        "notify_nova_on_port_status_changes": "false",
                        "notify_nova_on_port_data_changes": "false"},
            "database": {"connection": self.database("neutron")},
            "oslo_concurrency": {"lock_path": self.folder / "locks"},
            "ml2": {"type_drivers": "local", "tenant_network_types": "local", "mechanism_drivers": "bound"},
            "keystone_authtoken": self.checked_by_keystone("neutron"),
        })
        self.write("nova/nova.conf", self.nova("nova", REGIONS[0]))
        self.write("nova2/nova.conf", self.nova("nova2", REGIONS[1]))
        shipped = self.bin.parent / "etc"
        for source, target in (("glance/glance-api-paste.ini", "glance"), ("neutron/api-paste.ini", "neutron"),
                               ("nova/api-paste.ini", "nova"), ("nova/api-paste.ini", "nova2")):
            shutil.copy(shipped / source, etc / target)
        # Nova takes compute drivers from its own package only; this Python is for nothing else.
        (pathlib.Path(sysconfig.get_path("purelib")) / "nova" / "virt" / "keyway_test.py").write_text(DRIVER)
        (self.folder / "plugins" / "keyway_test_neutron.py").write_text(MECHANISM)
        about = self.folder / "plugins" / "keyway_test-1.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: keyway-test\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[neutron.ml2.mechanism_drivers]\nbound = keyway_test_neutron:Bound\n")
        import uuid
        (self.folder / "state" / "compute_id").write_text(str(uuid.uuid5(uuid.NAMESPACE_DNS, "keyway-test")) + "\n")

    # Processes.

    @property
    def environment(self):
        return {**os.environ, "PYTHONPATH": str(self.folder / "plugins"), "PYTHONWARNINGS": "ignore",
                "PATH": "/usr/sbin:/sbin:" + os.environ["PATH"], "KEYWAY_CONSOLES": str(self.folder / "consoles")}

    def tool(self, *command, **more):
        log = open(self.folder / "log" / "tools.log", "ab")
        done = subprocess.run([str(word) for word in command], env={**self.environment, **more}, stdout=log, stderr=log)
        if done.returncode:
            sys.exit("%s failed: see %s" % (pathlib.Path(command[0]).name, log.name))

    def run(self, name, *command, **more):
        log = open(self.folder / "log" / (name + ".out"), "ab")
        process = subprocess.Popen([str(word) for word in command], env={**self.environment, **more}, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)
        (self.folder / "run" / (name + ".pid")).write_text("%d %s" % (process.pid, began(process.pid)))

    def wsgi(self, name, module, **more):
        self.run(name, self.bin / "uwsgi", "--http-socket", "%s:%d" % (HOST, self.ports[name]), "--master", "--die-on-term",
                 "--need-app", "--enable-threads", "--processes", "1", "--threads", "4", "--buffer-size", "65535",
                 "--venv", self.bin.parent, "--pythonpath", self.folder / "plugins", "--add-header", "Connection: close",
                 "--http-chunked-input", "--module", module, **more)

    def wait(self, name, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with socket.socket() as one:
                if one.connect_ex((HOST, self.ports[name])) == 0:
                    return
            time.sleep(0.2)
        sys.exit("%s does not listen: see %s" % (name, self.folder / "log"))

    def sql(self, text):
        subprocess.run(["mariadb", "--no-defaults", "-u", "root", "-S", str(self.folder / "run" / "mysql.sock"), "-N", "-e", text],
                       check=True, env=self.environment)

    def start_foundations(self):
        data = self.folder / "mysql"
        if not (data / "mysql").exists():
            self.tool("mariadb-install-db", "--no-defaults", "--datadir=%s" % data, "--user=root",
                      "--auth-root-authentication-method=normal", "--skip-test-db")
        self.run("mysql", "mariadbd", "--no-defaults", "--user=root", "--datadir=%s" % data, "--bind-address=" + HOST,
                 "--port=%d" % self.ports["mysql"], "--socket=%s" % (self.folder / "run" / "mysql.sock"),
                 "--pid-file=%s" % (data / "pid"), "--skip-name-resolve", "--skip-log-bin", "--max-connections=250",
                 "--innodb-flush-log-at-trx-commit=0", "--performance-schema=off")
        rabbit = self.folder / "rabbit"
        (rabbit / "plugins").write_text("[].\n")
        (rabbit / "settings.conf").write_text("vm_memory_high_watermark.absolute = 300MB\ndisk_free_limit.absolute = 20MB\n")
        loopback = "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none -start_epmd false -erl_epmd_port %d"
        self.run("rabbit", "/usr/lib/rabbitmq/bin/rabbitmq-server", HOME=str(rabbit), RABBITMQ_MNESIA_BASE=str(rabbit),
                 RABBITMQ_LOG_BASE=str(self.folder / "log"), RABBITMQ_NODENAME="kw@localhost",
                 RABBITMQ_NODE_IP_ADDRESS=HOST, RABBITMQ_NODE_PORT=str(self.ports["rabbit"]),
                 RABBITMQ_DIST_PORT=str(self.ports["rabbit_dist"]), RABBITMQ_CONFIG_FILE=str(rabbit / "settings"),
                 RABBITMQ_ENABLED_PLUGINS_FILE=str(rabbit / "plugins"), RABBITMQ_PID_FILE=str(rabbit / "pid"),
                 ERL_EPMD_ADDRESS=HOST, ERL_EPMD_PORT=str(self.ports["epmd"]),
                 RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=loopback % self.ports["rabbit_dist"])
        self.wait("mysql")

    def make_databases(self):
        for name in DATABASES:
            self.sql("CREATE DATABASE IF NOT EXISTS %s CHARACTER SET utf8mb4; "
                     "GRANT ALL ON %s.* TO 'cloud'@'%s' IDENTIFIED BY '%s'" % (name, name, HOST, SECRET))
        etc, bin = self.folder / "etc", self.bin
        import getpass
        import grp
        me, mine = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        keystone = (bin / "keystone-manage", "--config-file", etc / "keystone" / "keystone.conf")
        self.tool(*keystone, "db_sync")
        for kind in ("fernet", "credential"):
            (etc / "keystone" / kind).mkdir(mode=0o700, exist_ok=True)
            self.tool(*keystone, kind + "_setup", "--keystone-user", me, "--keystone-group", mine)
        address = self.url("keystone", "/v3/")
        self.tool(*keystone, "bootstrap", "--bootstrap-password", SECRET, "--bootstrap-region-id", REGIONS[0],
                  "--bootstrap-admin-url", address, "--bootstrap-internal-url", address, "--bootstrap-public-url", address)
        self.tool(bin / "placement-manage", "--config-file", etc / "placement" / "placement.conf", "db", "sync",
                  OS_PLACEMENT_CONFIG_DIR=str(etc / "placement"))
        self.tool(bin / "glance-manage", "--config-file", etc / "glance" / "glance-api.conf", "db_sync")
        self.tool(bin / "neutron-db-manage", "--config-file", etc / "neutron" / "neutron.conf", "upgrade", "head")
        for name in ("nova", "nova2"):
            nova = (bin / "nova-manage", "--config-file", etc / name / "nova.conf")
            self.tool(*nova, "api_db", "sync")
            self.tool(*nova, "cell_v2", "map_cell0", "--database_connection", self.database(name + "_cell0"))
            self.tool(*nova, "cell_v2", "create_cell", "--name", "one")
            self.tool(*nova, "db", "sync")

    def connect(self, user="admin"):
        import openstack
        return openstack.connect(auth_url=self.url("keystone", "/v3"), username=user, password=SECRET, project_name=user,
                                 user_domain_name="Default", project_domain_name="Default", region_name=REGIONS[0])

    def make_accounts(self):
        identity = self.connect().identity
        roles = {role.name: role for role in identity.roles()}
        def account(name, project, *names):
            user = identity.create_user(name=name, password=SECRET, default_project_id=project.id)
            for role in names:
                identity.assign_project_role_to_user(project, user, roles[role])
        service = identity.create_project(name="service", domain_id="default")
        for name in ("nova", "placement", "glance", "neutron"):
            account(name, service, "admin", "service")
        for name in ("alice", "bob"):
            account(name, identity.create_project(name=name, domain_id="default"), "member")
        identity.create_region(id=REGIONS[1], description="The second region")
        services = {"compute": ("nova", "nova2"), "placement": ("placement",) * 2, "image": ("glance",) * 2, "network": ("neutron",) * 2}
        keystone = next(identity.services(type="identity"))
        endpoints = [(keystone, REGIONS[1], self.url("keystone", "/v3"))]
        for kind, names in services.items():
            made = identity.create_service(name=names[0], type=kind)
            path = "/v2.1" if kind == "compute" else ""
            endpoints += [(made, region, self.url(name, path)) for region, name in zip(REGIONS, names)]
        for made, region, address in endpoints:
            for interface in ("public", "internal", "admin"):
                identity.create_endpoint(service_id=made.id, interface=interface, region_id=region, url=address)

    def make_things(self):
        cloud = self.connect()
        for name, memory in (("m1.tiny", 512), ("m1.small", 1024)):
            cloud.compute.create_flavor(name=name, ram=memory, vcpus=1, disk=1)
        blank = self.folder / "blank.raw"
        blank.write_bytes(bytes(1 << 20))
        for name in ("debian-12", "debian-13"):
            cloud.image.create_image(name=name, filename=str(blank), disk_format="raw", container_format="bare", visibility="public")
        network = cloud.network.create_network(name="net1", shared=True)
        cloud.network.create_subnet(network_id=network.id, name="sub1", ip_version=4, cidr="10.20.0.0/16")

    def start(self):
        self.configure()
        new = not self.made.exists()
        etc = self.folder / "etc"
        self.start_foundations()
        if new:
            self.make_databases()
        self.wait("rabbit")
        self.wsgi("keystone", "keystone.wsgi.api:application", OS_KEYSTONE_CONFIG_DIR=str(etc / "keystone"))
        self.wait("keystone")
        if new:
            self.make_accounts()
        self.wsgi("placement", "placement.wsgi.api:application", OS_PLACEMENT_CONFIG_DIR=str(etc / "placement"))
        self.wsgi("glance", "glance.wsgi.api:application", OS_GLANCE_CONFIG_DIR=str(etc / "glance"))
        self.wsgi("neutron", "neutron.wsgi.api:application", OS_NEUTRON_CONFIG_DIR=str(etc / "neutron"),
                  OS_NEUTRON_CONFIG_FILES=str(etc / "neutron" / "neutron.conf"))
        for name in ("nova", "nova2"):
            self.wsgi(name, "nova.wsgi.osapi_compute:application", OS_NOVA_CONFIG_DIR=str(etc / name))
        # The second region has key pairs and no machines: one set of daemons is enough.
        for name in ("conductor", "scheduler", "compute"):
            self.run("nova-" + name, self.bin / ("nova-" + name), "--config-file", etc / "nova" / "nova.conf")
        for name in ("placement", "glance", "neutron", "nova", "nova2"):
            self.wait(name)
        if new:
            self.make_things()
            self.wait_for_machine()
        self.write_clouds()
        self.made.touch()
        print("a real OpenStack runs: %s" % self.url("keystone", "/v3"))

    def wait_for_machine(self, seconds=120):
        compute = self.connect().compute
        end = time.monotonic() + seconds
        while not list(compute.hypervisors()):
            if time.monotonic() > end:
                sys.exit("no machine was found: see %s" % (self.folder / "log"))
            time.sleep(1)

    def write_clouds(self):
        entry = {"region_name": REGIONS[0], "auth": {"auth_url": self.url("keystone", "/v3"), "username": "admin", "password": SECRET,
                 "project_name": "admin", "user_domain_name": "Default", "project_domain_name": "Default"}}
        file = self.folder / "clouds.yaml"
        file.touch(mode=0o600)
        # JSON is YAML, too.
        file.write_text(json.dumps({"clouds": {"real": entry}}))

    def stop(self):
        groups = {}
        for file in (self.folder / "run").glob("*.pid"):
            pid, when = file.read_text().split()
            # A number may be another process's by now.
            if began(int(pid)) == when:
                groups[file] = int(pid)
            else:
                file.unlink()
        for what, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            for group in groups.values():
                try:
                    os.killpg(group, what)
                except ProcessLookupError:
                    pass
            end = time.monotonic() + patience
            while groups and time.monotonic() < end:
                for file, group in list(groups.items()):
                    try:
                        os.killpg(group, 0)
                    except ProcessLookupError:
                        file.unlink(missing_ok=True)
                        del groups[file]
                time.sleep(0.2)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("start", "stop"):
        sys.exit(__doc__)
    getattr(Cloud(sys.argv[1]), sys.argv[2])()
