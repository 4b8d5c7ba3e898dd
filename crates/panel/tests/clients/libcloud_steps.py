"""Drives the panel's API through apache-libcloud and prints each step."""

import os
import subprocess
import sys
import time

from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

KEY = os.environ["KEY"]
with open(f"{KEY}.pub", encoding="ascii") as file:
    PUBLIC_KEY = file.read().strip()
count = 0


def step(name, result, holds=True):
    global count
    count += 1
    if not holds:
        print(f"{count:2} FAILED {name}: {result!r}")
        sys.exit(1)
    print(f"{count:2} ok {name}")
    return result


def wait(driver, node_id, state):
    for _ in range(200):
        node = driver.ex_get_node_details(node_id)
        if node.state == state:
            return node
        time.sleep(0.1)
    return step(f"becomes {state}", node, False)


def login(node):
    address = (node.public_ips + node.private_ips)[0]
    ssh = ["ssh", "-F", "none", "-i", KEY, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
    ssh += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"root@{address}"]
    return subprocess.run(ssh + ["uname", "-n"], capture_output=True, text=True, check=False)


driver = get_driver(Provider.OPENSTACK)(
    os.environ["OS_USERNAME"],
    os.environ["OS_PASSWORD"],
    # libcloud adds the version itself.
    ex_force_auth_url=os.environ["OS_AUTH_URL"].removesuffix("/v3"),
    ex_force_auth_version="3.x_password",
    api_version="2.0",
    ex_tenant_name=os.environ["OS_PROJECT_NAME"],
    ex_domain_name="Default",
    ex_force_service_region="ams",
)
sizes = driver.list_sizes()
step("sizes", sizes, len(sizes) >= 1)
images = driver.list_images()
image = next(image for image in images if image.name == "this-system")
step("images", images, len(images) >= 1)
key = driver.import_key_pair_from_string("lib", PUBLIC_KEY)
step("import key pair", key, key.name == "lib" and key.public_key.strip() == PUBLIC_KEY)
made = driver.create_key_pair("lib-made")
step("generate key pair", made, "PRIVATE KEY" in made.private_key)
step("list key pairs", driver.list_key_pairs(), len(driver.list_key_pairs()) == 2)
step("show key pair", driver.get_key_pair("lib"), driver.get_key_pair("lib").fingerprint == key.fingerprint)
networks = [network for network in driver.ex_list_networks() if network.name == "public"]
step("networks", networks, len(networks) == 1)
node = driver.create_node(name="lib-1", size=sizes[0], image=image, ex_keyname="lib", networks=networks)
step("create", node)
node = wait(driver, node.id, NodeState.RUNNING)
step("addresses", node, bool(node.public_ips or node.private_ips))
step("list nodes", driver.list_nodes(), any(other.id == node.id for other in driver.list_nodes()))
step("console output", driver.ex_get_console_output(node, length=5), driver.ex_get_console_output(node)["output"])
step("reboot", driver.reboot_node(node), True)
wait(driver, node.id, NodeState.RUNNING)
# ex_rebuild() sends a flavor too, which Nova refuses.
step("rebuild", driver._node_action(node, "rebuild", imageRef=image.id), True)
wait(driver, node.id, NodeState.RUNNING)
if os.environ["LOGIN"]:
    done = login(node)
    step("login", done, done.stdout.strip() == "lib-1")
step("destroy", driver.destroy_node(node), True)
step("delete key pairs", driver.delete_key_pair(key) and driver.delete_key_pair(made), True)
print(f"all {count} steps")
